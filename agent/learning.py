"""What a turn teaches memory about its user, and what it takes back of that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from agent.lessons import Visit, lessons, of_one, rules
from agent.notes import Note
from agent.state import Conversation
from llm import commands as say
from memory.observation import Observation, Source
from memory.preferences import Again
from memory.store import StoreError
from vision.vocabulary import expand_kind

if TYPE_CHECKING:
    from agent.turn import Chat, Deeds


def learn(chat: Chat, source: Literal["accepted", "explicit"], deeds: Deeds) -> None:
    """What stands was praised, or is to be remembered."""
    chat.result()  # as in `carry_out`
    present = chat.history.present
    learnt = _lessons(chat, source)
    if chat.user is not None and chat.memory.paused(chat.user):
        deeds.notes.append(Note("paused" if source == "explicit" else "glad"))
    elif chat.user is None:
        deeds.notes.append(Note("no_user" if source == "explicit" else "glad"))
    elif not learnt or (source == "accepted" and chat.accepted is present):
        deeds.notes.append(Note("nothing_to_learn" if source == "explicit" else "glad"))
    elif _taught(chat, learnt, deeds, Again(chat.visit) if source == "accepted" else None):
        chat.accepted, chat.praised = present, tuple(learnt)
        deeds.notes += [_habit("learnt", one) for one in learnt]


def learn_saved(chat: Chat, deeds: Deeds) -> None:
    """Saving without a word tells a little of what was said; what was corrected or praised stays
    so, and what was forgotten, too."""
    present = chat.history.present
    if chat.accepted is present:
        chat.wanted = chat.praised
    if chat.accepted is present or "everything" in chat.forgotten:
        return
    proposed: set[str] = {made.edit.what for made in present.edits if made.named == "auto"}
    proposed |= {toned.tone.attribute for toned in present.tones if toned.proposed}
    told = proposed | chat.corrected | chat.forgotten
    learnt = [one for one in _lessons(chat, "inferred") if one.kind not in told]
    learnt += [one for one in _lessons(chat, "corrected") if one.kind in chat.corrected]
    praised = {_said(one): one for one in chat.praised}
    chat.wanted = tuple(praised.get(_said(one), one) for one in learnt)
    _taught(chat, [one for one in learnt if _said(one) not in praised], deeds)


def learn_rules(chat: Chat, turn: say.Turn, deeds: Deeds) -> None:
    """What is said to hold from now on; of one of several people nothing can hold elsewhere."""
    several = len(chat.desk.faces) > 1
    standing = rules([one for one in turn.commands if not (several and of_one(one))])
    if several and any(of_one(one) for one in turn.commands if getattr(one, "always", False)):
        deeds.notes.append(Note("rule_of_one"))
    if standing and chat.user is None:
        deeds.notes.append(Note("no_user"))
    elif standing and chat.memory.paused(chat.user):
        deeds.notes.append(Note("paused"))
    elif standing and _taught(chat, standing, deeds):
        deeds.notes += [_habit("rule", one) for one in standing]


def learn_corrections(chat: Chat, turn: say.Turn, before: Conversation, deeds: Deeds) -> None:
    """Feedback is learnt at once: not everybody says "perfect" at the end.

    Naming another strength for what was done already is feedback, too, and so is a tone on top of
    one ("too warm now").
    """
    after = chat.history.present
    was, now = ({made.edit for made in state.edits} for state in (before, after))
    old, new = ({toned.tone for toned in state.tones} for state in (before, after))
    corrected: set[str] = set()
    changed = {edit.what for edit in was ^ now} | {tone.attribute for tone in old ^ new}
    if any(isinstance(command, say.Adjust | say.Restore) for command in turn.commands):
        corrected |= changed
    if any(isinstance(command, say.Undo | say.Redo) for command in turn.commands):
        corrected |= changed & chat.corrected  # a correction taken back is one, too
    for command in turn.commands:
        if isinstance(command, say.Reduce):
            corrected |= {edit.what for edit in was - now} & set(expand_kind(command.what))
        elif isinstance(command, say.Tone):
            corrected |= {tone.attribute for tone in old - new} & {command.attribute}
    for command in turn.commands:
        if isinstance(command, say.Forget) and command.what != "everything":
            corrected -= {command.what, *expand_kind(command.what)}
    if not corrected:
        return
    chat.corrected |= corrected
    seen = [one for one in _lessons(chat, "corrected") if one.kind in chat.corrected]
    _taught(chat, seen, deeds, Again(chat.visit, frozenset(chat.corrected)))


def unlearn(chat: Chat, turn: say.Turn, deeds: Deeds) -> None:
    """Who walks away from what was accepted was not happy with it after all: what that taught goes,
    and what feedback taught stays. A result that was saved was wanted, whatever is tried next: what
    it taught stays, too, where something else was accepted after it."""
    walked = any(isinstance(command, say.Undo | say.Redo | say.Reset) for command in turn.commands)
    if not walked or chat.accepted is None or chat.accepted == chat.history.present:
        return
    if chat.saved == chat.accepted.plan(chat.in_focus, chat.desk.reached):
        return
    chat.accepted, chat.praised = None, ()
    learnt = [one for one in _lessons(chat, "corrected") if one.kind in chat.corrected]
    felt = {one.place for one in learnt}
    learnt += [one for one in chat.wanted if one.place not in felt]
    _taught(chat, learnt, deeds, Again(chat.visit))


def _lessons(chat: Chat, source: Source) -> list[Observation]:
    if chat.user is None:
        return []
    visit = Visit(chat.visit, chat.desk.scene)
    return lessons(chat.history.states[: chat.history.at + 1], source, visit)


def _taught(
    chat: Chat, seen: Sequence[Observation], deeds: Deeds, again: Again | None = None
) -> bool:
    """Store what was observed; a memory that cannot be written must not undo the retouching."""
    try:
        chat.memory.learn(chat.user, seen, again)
    except StoreError as error:
        deeds.notes.append(Note("unwritten", str(error)))
        return False
    return True


def _said(one: Observation) -> tuple[object, ...]:
    """What an observation says, whatever it was learnt from."""
    return (*one.place, one.polarity, one.value)


def _habit(topic: Literal["learnt", "rule"], seen: Observation) -> Note:
    what = seen.phrase or seen.kind
    number = seen.amount if seen.polarity == "shift" else seen.strength
    return Note(topic, what, (seen.region,), strength=number)
