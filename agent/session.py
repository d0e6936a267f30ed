"""One conversation about one photo, as front ends hold it.

A session belongs to one visitor; its methods may be called from several threads. The photo is
analysed when the first message comes, and never again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent import reply as replies
from agent.chat_log import keep_chat
from agent.desk import Result
from agent.forgetting import forget
from agent.learning import learn_saved
from agent.marked import hold, mark
from agent.notes import Note
from agent.outcome import Outcome, Reply
from agent.overview import Proposal, findings
from agent.progress import Watch, unwatched
from agent.questions import DidYouMean, WhichFace, doubtful
from agent.recipe import Recipe
from agent.report import Report, turn_report
from agent.state import Conversation
from agent.turn import Chat, Deeds, carry_out, take_back, unclear_faces
from agent.usual import leaves_open
from agent.view import View
from llm.commands import Auto, Command, Redo, Reduce, Reset, Tone, Turn, Undo
from llm.parser import check_text
from vision.errors import FreckleError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    from agent.agent import RetouchAgent
    from memory.observation import What
    from vision.vocabulary import Kind

log = logging.getLogger(__name__)

# Commands that are answered without asking for a change.
_ANSWERED = frozenset({"show", "explain", "save", "help", "chat", "accept", "remember", "forget"})


class Session(View):
    """One conversation about one photo. Open it with `RetouchAgent.open`."""

    def __init__(self, agent: RetouchAgent, chat: Chat, ask: bool) -> None:
        super().__init__(chat)
        self._agent = agent
        self._ask = ask
        self._pending: WhichFace | DidYouMean | None = None
        self._trouble: str | None = None  # of the parser, not yet told
        self.reports: list[Report] = []

    def say(self, text: str, watch: Watch = unwatched) -> Reply:
        """Understand a message and do what it asks; `watch` is told of each stage and may stop it
        (`agent.progress`)."""
        if not text.strip():
            raise FreckleError("the message is empty: say what to change in the photo")
        check_text(text)
        watch("reading")
        with self._turn(watch):
            asked = self._pending if isinstance(self._pending, WhichFace) else None
            once = None if asked is None or asked.unclear else asked
            reply = self._answered(text) or self._understood(text, once)
            if self._agent.settings.keep_chats:
                trouble = keep_chat(self._chat, text, reply)
                return replace(reply, text=f"{reply.text} {trouble}") if trouble else reply
            return reply

    def _understood(self, text: str, unanswered: WhichFace | None) -> Reply:
        """Do what a message asks; one that says nothing may be an answer that was not read."""
        start = time.perf_counter()
        # The parser never heard of a photo without a face; that there is none is told by the agent.
        state = self._chat.history.present.told(max(len(self._chat.desk.faces), 1))
        parsed = self._agent.parser.parse(text, state)
        seconds = time.perf_counter() - start
        self._trouble = parsed.trouble
        talk = all(command.do == "chat" for command in parsed.turn.commands)
        if unanswered and (talk or doubtful(parsed.turn, parsed.confidence)):
            return self._ask_back(replace(unanswered, unclear=True), seconds)
        self._chat.plain = leaves_open(text)
        if parsed.foreign:
            deeds = Deeds([Note("foreign")])
            return self._carry_out(lambda: deeds, parsed.turn.commands, seconds)
        if doubtful(parsed.turn, parsed.confidence):
            return self._ask_back(DidYouMean.of(parsed), seconds)
        return self._perform(parsed.turn, seconds)

    def perform(self, turn: Turn, watch: Watch = unwatched) -> Reply:
        """Do what commands ask that were parsed before."""
        with self._turn(watch):
            self._pending, self._chat.plain = None, False
            return self._perform(turn, 0.0)

    def fill(
        self,
        mask: str | Path | Image.Image | NDArray[Any],
        watch: Watch = unwatched,
        *,
        what: Kind | None = None,
    ) -> Reply:
        """Remove what a mask marks, whatever it is, and put this person's own skin there.

        `mask` is an (H, W) bool or uint8 array (marked: above 127), a Pillow image or an image
        file (marked: more than half white), of the upright photo's size. Only marked pixels
        change, and of them none that is kept; where the mark is known to be of the kind `what`, a
        keep of that kind gives way to pointing at one of them. Raises `MaskError`, a
        `FreckleError`, for a mask that cannot be read, has another size or marks nothing.
        """
        return self._mark(partial(mark, what=what), mask, watch)

    def keep(
        self, mask: str | Path | Image.Image | NDArray[Any], watch: Watch = unwatched
    ) -> Reply:
        """Never touch what a mask marks on a face, given as to `fill`; raises as that does."""
        return self._mark(hold, mask, watch)

    def _mark(
        self, act: Callable[[Chat, NDArray[np.bool_]], Deeds], mask: Any, watch: Watch
    ) -> Reply:
        from vision import marked

        area = marked.read(mask, self.photo)
        with self._turn(watch):
            self._pending = None
            return self._carry_out(lambda: act(self._chat, area), (), 0.0)

    def forget(self, what: What) -> Reply:
        """Delete for good what is remembered of it; keeps that it brought to this photo go, too."""

        def act() -> Deeds:
            deeds = Deeds()
            forget(self._chat, what, deeds)
            return deeds

        with self._turn(unwatched):
            return self._carry_out(act, (), 0.0)

    def undo(self, steps: int = 1) -> Reply:
        """Back by some states."""
        return self.perform(Turn(commands=[Undo(steps=steps)]))

    def redo(self, steps: int = 1) -> Reply:
        """Forth again by some states."""
        return self.perform(Turn(commands=[Redo(steps=steps)]))

    def reset(self) -> Reply:
        """Back to the untouched photo; `undo` takes this back. Keeps stay in force."""
        return self.perform(Turn(commands=[Reset()]))

    def save(self, path: str | Path, overwrite: bool = False, *, learn: bool = True) -> Path:
        """Write the present result; raises `PhotoError` where that is not possible.

        `learn`: a named user was content enough to save it, which memory notes; where it cannot,
        the log says so.
        """
        with self._lock:
            saved, deeds = self._chat.save(Path(path), overwrite), Deeds()
            if learn:
                learn_saved(self._chat, deeds)
            for note in deeds.notes:
                log.warning("what was saved is not remembered: %s", note.what)
            return saved

    def recipe(self) -> Recipe:
        """How to make the present result again: see `agent.recipe.apply`."""
        with self._lock:
            chat = self._chat
            faces = list(chat.desk.faces)
            studio = self._agent.studio
            plan = chat.result().plan
            return Recipe.of(self.photo, faces, plan, studio)

    def mask(self) -> NDArray[np.bool_]:
        """(H, W), true where the present result was edited."""
        with self._lock:
            return self._chat.result().rendering.touched

    @property
    def question(self) -> WhichFace | DidYouMean | None:
        """What the agent asked back and was not told yet."""
        return self._pending

    def take_back(self, one: Proposal, watch: Watch = unwatched) -> Reply:
        """Without one of `proposals`; what the user asked for stays."""
        with self._turn(watch):
            self._pending = None
            said = one.back
            return self._carry_out(
                lambda: take_back(self._chat, one.brought, said), said.commands, 0.0
            )

    def go_to(self, step: int, watch: Watch = unwatched) -> Reply:
        """To another of `steps`, by undo or redo; raises IndexError where there is none."""
        with self._lock:
            if step == self.at or not 0 <= step < len(self._chat.history.states):
                raise IndexError(f"there is no other step {step}")
            away = step - self.at
            walk = Redo(steps=away) if away > 0 else Undo(steps=-away)
            return self.perform(Turn(commands=[walk]), watch)

    def meet(self, watch: Watch = unwatched) -> None:
        """Look closely at the photo, as the first message would; `watch` may stop it."""
        with self._turn(watch):
            watch("finding")
            findings(self._chat)

    @contextmanager
    def _turn(self, watch: Watch) -> Iterator[None]:
        """One turn at a time, watched; one that fails or is stopped half-way did not happen."""
        with self._lock:
            chat = self._chat
            chat.desk.watch = watch
            chat.known = None  # it may have been forgotten or paused elsewhere
            try:
                self._meet()
                before = chat.history, chat.focus, self._pending
                try:
                    yield
                except BaseException:
                    chat.history, chat.focus, self._pending = before
                    raise
            finally:
                chat.desk.watch = unwatched

    def _answered(self, text: str) -> Reply | None:
        """The reply, if the text answers a question that was asked."""
        pending, self._pending = self._pending, None
        if isinstance(pending, WhichFace):
            if again := pending.asked_again(text, self._chat.desk.faces):
                return self._ask_back(again, 0.0)
            if pending.no(text):
                return self._left()
            faces = pending.answer(text, self._chat.desk.faces)
            # Asked once: whoever says something else means the largest.
            self._chat.focus = faces or self._chat.in_focus
            if faces:
                return self._perform(pending.turn, 0.0)
        if isinstance(pending, DidYouMean):
            if chosen := pending.answer(text):
                return self._perform(chosen, 0.0)
            if pending.no(text):
                return self._left()
        return None

    def _left(self) -> Reply:
        """What was asked about is not done."""
        talk = Turn.model_validate({"commands": [{"do": "chat"}]}).commands
        text = "Then I leave it as it is: put it another way."
        return self._reply(talk, text, "answered", 0.0)

    def _ask_back(self, question: WhichFace | DidYouMean, seconds: float) -> Reply:
        self._pending = question
        return self._reply(question.turn.commands, question.text, "asked", seconds)

    def _perform(self, turn: Turn, seconds: float) -> Reply:
        chat = self._chat
        if self._ask and (fits := unclear_faces(chat, turn)):
            return self._ask_back(WhichFace(turn, fits), seconds)
        return self._carry_out(lambda: carry_out(chat, turn), turn.commands, seconds)

    def _carry_out(
        self, act: Callable[[], Deeds], commands: Sequence[Command], seconds: float
    ) -> Reply:
        """Act, see what it changed, and tell."""
        chat = self._chat
        before, was = chat.history.present, chat.result()
        deeds = act()
        changed = _differ(was, chat.result())
        text = replies.write(self._told(before, deeds, changed))
        outcome: Outcome = "changed" if changed else "nothing"
        if not changed and commands and all(command.do in _ANSWERED for command in commands):
            outcome = "answered"
        return self._reply(commands, text, outcome, seconds, deeds)

    def _told(self, before: Conversation, deeds: Deeds, changed: bool) -> replies.Told:
        chat = self._chat
        after, measured = chat.history.present, chat.result().measurement
        return replies.Told(
            before=before,
            after=after,
            edits=list(zip(after.edits, measured.edits, strict=True)),
            kept=list(zip(chat.guards(), measured.kept, strict=True)),
            fills=list(zip(after.fills, measured.fills, strict=True)),
            tones=list(zip(after.tones, measured.tones, strict=True)),
            identity=measured.identity,
            notes=deeds.notes,
            changed=changed,
            several_faces=len(chat.desk.faces) > 1,
        )

    def _reply(
        self,
        commands: Sequence[Command],
        text: str,
        outcome: Outcome,
        seconds: float,
        deeds: Deeds | None = None,
    ) -> Reply:
        chat, trouble = self._chat, self._trouble
        result, self._trouble = chat.result(), None
        if trouble is not None:
            text = f"{text} {replies.stood_in(trouble)}"
        report = turn_report(
            commands,
            chat.desk.faces,
            chat.in_focus,
            result,
            text,
            seconds,
            chat.desk.take_seconds(),
        )
        self.reports.append(report)
        deeds = deeds or Deeds()
        return Reply(
            text,
            report,
            outcome,
            result.photo,
            deeds.view,
            deeds.shown,
            deeds.saved,
            result.measurement.identity,
            trouble,
            _seeks(commands, deeds.notes),
        )


def _seeks(commands: Sequence[Command], notes: Sequence[Note]) -> bool:
    """Whether a message asks for something that can be looked for, whether it is there or not."""
    unknown = bool(notes) and {note.topic for note in notes} <= {"not_learnt", "unsupported"}
    return not unknown and any(isinstance(one, Reduce | Auto | Tone) for one in commands)


def default_output(path: Path) -> Path:
    """`PHOTO.retouched.EXT` beside the photo; EXT is its format's where its own ending names none,
    or another.

    Raises `FreckleError` where it is no photo at all.
    """
    from vision.photo import ending_of

    return path.with_name(f"{path.stem}.retouched{ending_of(path)}")


def _differ(one: Result, other: Result) -> bool:
    return one is not other and bool((one.photo.pixels != other.photo.pixels).any())
