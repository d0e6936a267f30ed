"""What a front end shows beside the conversation: what is found and in force, the steps so far,
what memory brought."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from agent.state import Conversation, Held, Made, Toned, binds
from agent.turn import Chat
from agent.words import listed, percent, place, plain, spot_noun
from llm.commands import Turn
from vision.plan import Edit, Keep
from vision.vocabulary import LEARNT_KINDS, Kind, default_region

UNTOUCHED = "the photo as it was"


@dataclass(frozen=True)
class Finding:
    """One kind on the faces in focus.

    Attributes:
        kind: a kind that the detector can tell.
        found: share of the face area, 0..1, mean over the faces.
        strength: of the strongest edit of it in force, 0..1.
        kept: whether a keep holds on all of it.
    """

    kind: Kind
    found: float
    strength: float
    kept: bool


@dataclass(frozen=True)
class Proposal:
    """Something in force that memory brought.

    Attributes:
        text: "wrinkles 40%", "freckles kept", "brightness of the whole photo +30%".
        reason: why, to be read after "because".
        brought: what is in force.
        back: how somebody would say that it is to go; memory learns of it so.
    """

    text: str
    reason: str
    brought: Made | Held | Toned
    back: Turn


def findings(chat: Chat) -> tuple[Finding, ...]:
    """Every kind that is found, edited or kept, in the order of the vocabulary."""
    return tuple(one for kind in LEARNT_KINDS if (one := _finding(chat, kind)) is not None)


def steps(chat: Chat) -> tuple[str, ...]:
    """A line on every state of the history."""
    return tuple(summary(state) for state in chat.history.states)


def summary(state: Conversation) -> str:
    """What is in force: "wrinkles 50 %, freckles kept"."""
    parts = list(_parts(state))
    return listed(parts) if parts else UNTOUCHED


def proposals(chat: Chat) -> tuple[Proposal, ...]:
    """What is in force because memory brought it: edits, keeps, tones; the same on several faces is
    one proposal for each."""
    state, several = chat.history.present, len(chat.desk.faces) > 1
    brought: list[tuple[Made | Held | Toned, str, int | None, dict[str, Any]]] = [
        (made, f"{_named(made)} {percent(made.edit.strength)}", *_back("restore", made.edit))
        for made in state.edits
        if made.reason is not None and made.edit.strength > 0
    ]
    brought += [
        (held, f"{_named(held)} kept", *_back("allow", held.keep))
        for held in state.keeps
        if held.reason is not None
    ]
    for toned in state.tones:
        if toned.reason is not None:
            tone = toned.tone
            text = f"{tone.attribute} of {spot_noun(tone.where, tone.side)[0]} {tone.amount:+.0%}"
            back = {"do": "tone", "attribute": tone.attribute, "amount": -tone.amount}
            place = {"where": [tone.where], "side": tone.side}
            brought.append((toned, text, tone.face, back | place))
    told = []
    for one, text, face, back in brought:
        if several and face is not None:
            text, back["who"] = f"{text} on face {face + 1}", face + 1
        said = Turn.model_validate({"commands": [back]})
        told.append(Proposal(text, one.reason or "", one, said))
    return tuple(told)


def _back(do: Literal["restore", "allow"], thing: Edit | Keep) -> tuple[int, dict[str, Any]]:
    """The face, and the command that takes back what is there."""
    place = {"where": list(thing.where), "side": thing.side}
    return thing.face, {"do": do, "what": thing.what} | place


def _named(one: Made | Held) -> str:
    thing = one.edit if isinstance(one, Made) else one.keep
    return plain(thing.phrase or thing.what) + place(thing.what, thing.where, thing.side)


def _parts(state: Conversation) -> Iterator[str]:
    for made in state.edits:
        if made.edit.strength > 0:
            yield f"{plain(made.edit.phrase or made.edit.what)} {percent(made.edit.strength)}"
    for toned in state.tones:
        place = plain(toned.tone.where)
        yield f"{plain(toned.tone.attribute)} of the {place} {toned.tone.amount:+.0%}"
    if state.fills:
        yield "a marked area filled"
    for held in state.keeps:
        if held.origin != "policy":
            yield f"{plain(held.keep.phrase or held.keep.what)} kept"


def _finding(chat: Chat, kind: Kind) -> Finding | None:
    state, place = chat.history.present, (default_region(kind),)
    whole = [Edit(kind, place, 1.0, face) for face in chat.in_focus]
    made = [one.edit for one in state.edits if one.edit.what == kind]
    strength = max((edit.strength for edit in made if edit.face in chat.in_focus), default=0.0)
    kept = bool(whole) and all(any(binds(h.keep, edit) for h in state.keeps) for edit in whole)
    found = sum(chat.desk.found(edit) for edit in whole) / max(len(whole), 1)
    return Finding(kind, found, strength, kept) if found or strength or kept else None
