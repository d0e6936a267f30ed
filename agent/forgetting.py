"""Forgetting for good, and what goes with it in the photo at hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from agent.notes import Note
from agent.state import Conversation
from llm import commands as say
from vision.vocabulary import KINDS, expand_kind

if TYPE_CHECKING:
    from agent.turn import Chat, Deeds


def forget(chat: Chat, what: str, deeds: Deeds) -> None:
    """Delete a kind, an attribute of tone or "everything" for good; the keeps that memory brought
    of it to this photo go with it, and the edits become the user's own.

    Earlier states keep their keeps, so that undo shows what it showed, but not where from.
    """
    if chat.user is None:
        deeds.notes.append(Note("no_user"))
        return
    kinds = expand_kind(what) if what != "everything" else ()  # type: ignore[arg-type]
    chat.known = None
    chat.forgotten |= {what, *kinds}
    chat.corrected = {kind for kind in chat.corrected if kinds and kind not in (what, *kinds)}
    chat.praised, chat.wanted = (
        tuple(one for one in learnt if kinds and one.kind not in (what, *kinds))
        for learnt in (chat.praised, chat.wanted)
    )
    paused = what == "everything" and chat.memory.paused(chat.user)
    # Last: where it fails half-way, nothing of it is learnt anew all the same.
    gone = chat.memory.forget(chat.user, what)  # type: ignore[arg-type]
    keeps = tuple(
        held
        for held in chat.history.present.keeps
        if held.origin != "remembered" or (kinds and held.keep.what not in kinds)
    )
    freed = replace(chat.history.present, keeps=keeps)
    chat.history = chat.history.then(freed).map(lambda state: _unremembered(state, kinds))
    deeds.notes.append(Note("forgotten" if gone else "nothing_to_forget", what))
    if paused:
        deeds.notes.append(Note("resumed"))


def remembered_part(turn: say.Turn) -> say.Turn:
    """A message without what it said of things before it had them forgotten: nothing of that is
    learnt."""
    said: list[say.Command] = []
    for command in turn.commands:
        if isinstance(command, say.Forget):
            said = [one for one in said if not _about(one, command.what)]
        said.append(command)
    return turn.model_copy(update={"commands": said})


def _about(command: say.Command, what: str) -> bool:
    named = getattr(command, "what", None) or getattr(command, "attribute", None)
    if what == "everything" or named == what:
        return True
    return bool({*expand_kind(what)} & {*expand_kind(named)}) if named in KINDS else False  # type: ignore


def _unremembered(state: Conversation, kinds: Sequence[str]) -> Conversation:
    def forgotten(what: str) -> bool:
        return not kinds or what in kinds

    return replace(
        state,
        edits=tuple(
            replace(made, reason=None) if forgotten(made.edit.what) else made
            for made in state.edits
        ),
        tones=tuple(
            replace(toned, reason=None) if forgotten(toned.tone.attribute) else toned
            for toned in state.tones
        ),
        keeps=tuple(
            replace(held, reason=None)
            if held.origin == "remembered" and forgotten(held.keep.what)
            else held
            for held in state.keeps
        ),
    )
