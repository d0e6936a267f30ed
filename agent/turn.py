"""Carrying out one message: its commands in the user's order, on the chat's own state.

Wishes that follow each other are resolved together, so that within a message the more specific
wins; undo, save and the like act in between, each on what stands at that moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, TypeGuard, get_args
from uuid import uuid4

from agent.alike import left_alike
from agent.desk import Desk, Result
from agent.forgetting import forget, remembered_part
from agent.history import History
from agent.learning import learn, learn_corrections, learn_rules, learn_saved, unlearn
from agent.notes import Note
from agent.resolve import Wish, resolve
from agent.scene import Scene, by_size, clearly_largest, named_faces
from agent.state import Conversation, Held, Made, Toned
from agent.usual import TRUSTED
from llm import commands as say
from memory.observation import Observation, Preference
from memory.preferences import Preferences
from vision import plan
from vision.errors import FreckleError, NothingToDo
from vision.vocabulary import (
    FACELESS,
    LEARNT_KINDS,
    SKIN_KINDS,
    Kind,
    default_region,
    expand_kind,
)

View = Literal["before", "after", "split", "mask"]
# Commands whose `who` puts a face in focus. "Leave the man on the left alone" does not.
CHOOSING = say.Reduce | say.Auto | say.Adjust | say.Restore | say.Tone

# What `auto` may change on its own.
_OF_AUTO = tuple(kind for kind in LEARNT_KINDS if kind not in SKIN_KINDS)


@dataclass
class Chat:
    """The moving parts of one conversation about one photo.

    `focus` are the faces chosen by name, None before anyone was; `output` is where "save it" goes.
    `attended`: somebody sees the result before it is saved. `saved` is what was written last;
    `praised` and `wanted` are what memory has learnt from "perfect" and from the last result that
    was saved.
    `plain`: the message at hand says how much of nothing. `corrected` are the kinds that feedback
    was about, `forgotten` those (or "everything") to be forgotten. `known` is what memory said in
    this turn, None before it was asked.
    """

    desk: Desk
    memory: Preferences
    user: str | None
    output: Path | None
    history: History
    focus: tuple[int, ...] | None = None
    attended: bool = True
    accepted: Conversation | None = None
    praised: tuple[Observation, ...] = ()
    wanted: tuple[Observation, ...] = ()
    written: set[Path] = field(default_factory=set)
    saved: plan.Plan | None = None
    plain: bool = False
    corrected: set[str] = field(default_factory=set)
    forgotten: set[str] = field(default_factory=set)
    known: tuple[Preference, ...] | None = None
    visit: str = field(default_factory=lambda: uuid4().hex)

    @property
    def in_focus(self) -> tuple[int, ...]:
        """The faces meant when none is named: those chosen before, or the largest."""
        if self.focus is not None:
            return self.focus
        return tuple(by_size(self.desk.faces)[:1])

    def result(self) -> Result:
        return self.desk.result(self.plan)

    def guards(self) -> tuple[Held, ...]:
        """The keeps that bind the present result, in the order in which it measures them."""
        return self.history.present.guards(self.in_focus, self.desk.reached)

    def scene(self) -> Scene:
        return Scene(
            faces=self.desk.faces,
            focus=self.in_focus,
            found=self.desk.found,
            usual=self.usual(),
            plain=self.plain,
        )

    def usual(self) -> tuple[Preference, ...]:
        """What memory knows well enough about this user and such photos to act on it."""
        if self.user is None:
            return ()
        if self.known is None:
            known = self.memory.recall(self.user, self.desk.scene, self.visit)
            self.known = tuple(one for one in known if one.confidence >= TRUSTED)
        return self.known

    @property
    def plan(self) -> plan.Plan:
        """What the present result is made by."""
        return self.history.present.plan(self.in_focus, self.desk.reached)

    def save(self, path: Path, overwrite: bool) -> Path:
        """Write the present result; a file that this chat wrote may be replaced."""
        mine = path.resolve() in self.written
        saved = self.desk.studio.save(self.result().photo, path, overwrite or mine)
        self.written.add(saved.resolve())
        self.saved = self.plan
        return saved


@dataclass
class Deeds:
    """What a turn did beside changing the history."""

    notes: list[Note] = field(default_factory=list)
    view: View | None = None
    shown: tuple[Kind, ...] = ()
    saved: Path | None = None


def carry_out(chat: Chat, turn: say.Turn) -> Deeds:
    """Obey the commands in order; the chat's history moves along."""
    deeds = Deeds()
    before = chat.history.present
    wishes: list[Wish] = []
    for command in turn.commands:
        if isinstance(command, get_args(Wish)):
            wishes.append(command)
            continue
        _grant(chat, wishes, deeds)
        wishes = []
        _act(chat, command, deeds)
        if isinstance(command, say.Forget) and command.what == "everything":
            before = chat.history.present
    _grant(chat, wishes, deeds)
    chat.result()  # whoever stops the turn while it renders has taught nothing
    said = remembered_part(turn)
    learn_rules(chat, said, deeds)
    learn_corrections(chat, said, before, deeds)
    unlearn(chat, said, deeds)
    return deeds


def take_back(chat: Chat, brought: Made | Held | Toned, said: say.Turn) -> Deeds:
    """Take away one thing that memory brought, and nothing that the user asked for; memory learns
    of it as of `said`."""
    before, deeds = chat.history.present, Deeds()
    after = replace(
        before,
        edits=tuple(made for made in before.edits if made != brought),
        keeps=tuple(held for held in before.keeps if held != brought),
        tones=tuple(toned for toned in before.tones if toned != brought),
    )
    chat.history = chat.history.then(after)
    chat.result()  # as in `carry_out`
    learn_corrections(chat, said, before, deeds)
    return deeds


def unclear_faces(chat: Chat, turn: say.Turn) -> tuple[int, ...]:
    """The faces that a turn may mean when it names none; empty when there is nothing to ask.

    Nobody is asked where a face was chosen before, where one is far larger than the others, or
    where only one shows anything of what is named: that face is then in focus.
    """
    asking = [c for c in turn.commands if _of_one_face(c) and c.who is None]
    if not asking or chat.focus is not None or len(chat.desk.faces) < 2:
        return ()
    if any(isinstance(command, CHOOSING) and command.who is not None for command in turn.commands):
        return ()  # the message names a face, which becomes the one in focus
    largest = clearly_largest(chat.desk.faces)
    if largest is not None:
        chat.focus = (largest,)
        return ()
    fits = tuple(i for i in range(len(chat.desk.faces)) if _shows(chat.desk, i, asking))
    if len(fits) == 1:
        chat.focus = fits
        return ()
    return fits


def _of_one_face(command: say.Command) -> TypeGuard[say.Reduce | say.Auto | say.Tone]:
    """Whether a command is about a face: the tone of image and background is about none."""
    if isinstance(command, say.Tone):
        return bool(set(command.where) - set(FACELESS))
    return isinstance(command, say.Reduce | say.Auto)


def _shows(desk: Desk, face: int, asking: Sequence[say.Reduce | say.Auto | say.Tone]) -> bool:
    """Whether a face shows anything of what is asked for."""
    for wish in asking:
        if isinstance(wish, say.Tone):
            return True
        named = _OF_AUTO if isinstance(wish, say.Auto) else expand_kind(wish.what)
        phrase = getattr(wish, "phrase", None)
        for kind in named:
            edit = plan.Edit(kind, tuple(wish.where), 1.0, face, wish.side, phrase)
            try:
                if desk.found(edit) > 0:
                    return True
            except NothingToDo:
                continue
    return False


def _grant(chat: Chat, wishes: Sequence[Wish], deeds: Deeds) -> None:
    if not wishes:
        return
    if not chat.desk.faces:
        able = [wish for wish in wishes if _needs_no_face(wish)]
        if len(able) < len(wishes):
            deeds.notes.append(Note("no_face"))
        wishes = able
    chosen, focus = chat.focus is not None, []
    for wish in wishes:
        if isinstance(wish, CHOOSING) and wish.who is not None:
            chat.focus = named_faces(wish.who, chat.desk.faces) or chat.focus
        focus.append(chat.in_focus)
    # Where no face was chosen before, one that the message names is meant by all of it.
    present, notes = resolve(chat.history.present, wishes, chat.scene(), focus if chosen else ())
    chat.history = chat.history.then(present)
    deeds.notes += (*notes, *left_alike(chat, wishes))


def _needs_no_face(wish: Wish) -> bool:
    """Whether a wish can be granted on a photo without a face: the tone of the whole photo (what is
    background shows where somebody is in front of it), and feedback on it."""
    if isinstance(wish, say.Tone):
        return wish.where == ["image"]
    if not isinstance(wish, say.Adjust | say.Restore) or wish.what not in ("last", "everything"):
        return False
    return wish.where in ([default_region(wish.what)], ["image"])


def _act(chat: Chat, command: say.Command, deeds: Deeds) -> None:
    match command:
        case say.Undo():
            _walk(chat, -command.steps, "undone", deeds)
        case say.Redo():
            _walk(chat, command.steps, "redone", deeds)
        case say.Reset():
            _reset(chat, deeds)
        case say.Accept():
            learn(chat, "accepted", deeds)
        case say.Remember():
            learn(chat, "explicit", deeds)
        case say.Forget():
            forget(chat, command.what, deeds)
        case say.Show():
            _show(chat, command, deeds)
        case say.Save():
            _save(chat, deeds)
        case say.Unsupported():
            deeds.notes.append(Note("unsupported", command.phrase))
        case say.Explain() | say.Help() | say.Chat():
            deeds.notes.append(Note(command.do))


def _show(chat: Chat, command: say.Show, deeds: Deeds) -> None:
    """A view; the mask of a kind is where that kind is found, edited or not."""
    deeds.view, what = command.view, command.what
    if command.view != "mask" or what is None or what == "last" or what == "everything":
        deeds.notes.append(Note("view", command.view))
        return
    known = tuple(kind for kind in expand_kind(what) if kind in LEARNT_KINDS)
    there = [
        kind
        for kind in known
        for face in chat.in_focus
        if chat.desk.found(plan.Edit(kind, (default_region(kind),), 1.0, face)) > 0
    ]
    if there:
        deeds.shown = known
        deeds.notes.append(Note("shown", what))
    else:
        deeds.view = None
        deeds.notes.append(Note("none_to_show" if known else "not_learnt", what))


def _walk(chat: Chat, steps: int, topic: Literal["undone", "redone"], deeds: Deeds) -> None:
    walked = chat.history.walk(steps)
    moved = walked.at != chat.history.at
    chat.history = walked
    deeds.notes.append(Note(topic if moved else "no_step", topic))


def _reset(chat: Chat, deeds: Deeds) -> None:
    """Back to the untouched photo, as a step that can be undone; what the user keeps stays kept."""
    present = chat.history.present
    kept = tuple(held for held in present.keeps if held.origin != "policy")
    chat.history = chat.history.then(Conversation(keeps=kept))
    deeds.notes.append(Note("reset" if present.edited else "untouched"))


def _save(chat: Chat, deeds: Deeds) -> None:
    if chat.output is None:
        deeds.notes.append(Note("no_output"))
        return
    try:
        deeds.saved = chat.save(chat.output, overwrite=False)
    except FreckleError as error:
        deeds.notes.append(Note("not_saved", str(error)))
        return
    deeds.notes.append(Note("saved", str(deeds.saved)))
    if chat.attended:
        learn_saved(chat, deeds)
