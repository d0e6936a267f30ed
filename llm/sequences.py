"""Sequences of the command language, to and from commands.

`write` turns drafts (commands as people say them, with references) into tokens, `read` turns
tokens into a `Turn`, with every reference resolved against the state: so the network never has to
do arithmetic or to copy the conversation.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import combinations
from typing import Any

from llm.commands import State, StateEdit, Turn
from llm.grammar import (
    END,
    GRID,
    NO_PLACE,
    PAD,
    SLOTS,
    START,
    TOKENS,
    VALUE_SLOTS,
    find_edit,
    meaning,
    places_of,
    pointer,
    token,
)
from llm.words import Message
from vision.places import Spot, meet
from vision.vocabulary import default_region

# "The second woman from the right", but not what is to go "from the right cheek".
_FROM_RIGHT = re.compile(
    r"\b(first|second|third|fourth|fifth|[1-9])(?:st|nd|rd|th)?(?: \w+){0,2} from (?:the |your )?"
    r"right\b"
    r"(?! (?:side|half|cheek|eye|brow|temple|jaw|ear))",
    re.IGNORECASE,
)
_ORDINALS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5}
# Commands about something at a place: said twice, they are still one wish.
PLACED = frozenset(("reduce", "keep", "allow", "adjust", "restore", "tone", "auto", "unsupported"))


def write(drafts: Sequence[dict[str, Any]], message: Message) -> list[int]:
    """Token sequence of drafts: commands as in commands.md, with references where they were spoken.

    A draft has `span`, (first, last) word, instead of `phrase`; it may leave out `where` for
    "no place spoken", say "there", "opposite", "same", "half", "double" or "full", and mark a
    number that stands in the message by the type `Spoken`. Raises ValueError for what the
    language cannot say.
    """
    sequence = [START]
    used: dict[float, int] = {}
    for draft in drafts:
        sequence.append(token("do", draft["do"]))
        for slot in SLOTS[draft["do"]]:
            sequence += _write_slot(slot.rstrip("?"), draft, message, used)
    return [*sequence, END]


class Spoken(float):
    """A share of 1 that the user spoke as a number."""


def _write_slot(
    slot: str, draft: dict[str, Any], message: Message, used: dict[float, int]
) -> list[int]:
    """Tokens of one slot; `used` counts how often each number was pointed at so far."""
    if slot == "phrase":
        return [pointer(word) for word in draft.get("span") or ()]
    if slot == "where":
        return [token("where", region) for region in draft.get("where") or ("here",)]
    if slot == "steps":
        return [token("steps", draft.get("steps", 1))]
    signed = {"adjust": "delta", "tone": "amount"}.get(draft["do"], "")
    if slot == "sign":
        value = draft[signed]
        less = value == "half" or (not isinstance(value, str) and value < 0)
        return [token("sign", "less" if less else "more")]
    if slot in VALUE_SLOTS:
        return [_write_value(draft[signed or "strength"], message, used)]
    value = draft.get(slot)
    return [] if value is None else [token(slot, value)]


def _write_value(value: Any, message: Message, used: dict[float, int]) -> int:
    if isinstance(value, str):
        return token("value", value)
    share = abs(float(value))
    if isinstance(value, Spoken):
        places = [at for at, number in message.numbers.items() if abs(number.value - share) < 5e-3]
        if places:
            turn = used[share] = used.get(share, -1) + 1
            return pointer(places[min(turn, len(places) - 1)])
    nearest = min(GRID, key=lambda step: abs(step - share))
    if isinstance(value, Spoken) and abs(nearest - share) > 1e-6:
        raise ValueError(f"{share} is neither in the message nor a step of 0.05")
    return token("value", nearest)


def read(sequence: Sequence[int], message: Message, state: State | None = None) -> Turn:
    """The Turn that a sequence allowed by `Grammar` says, every reference resolved."""
    state = state or State()
    drafts: list[dict[str, Any]] = []
    for index in sequence:
        if index in (PAD, START, END):
            continue
        if index >= len(TOKENS):
            drafts[-1].setdefault("words", []).append(index - len(TOKENS))
            if "what" in drafts[-1] or "attribute" in drafts[-1] or drafts[-1]["do"] == "auto":
                drafts[-1]["value"] = message.numbers[drafts[-1]["words"].pop()].value
            continue
        family, name = meaning(index)
        if family == "do":
            drafts.append({"do": name})
        elif family == "where":
            drafts[-1].setdefault("where", []).append(name)
        else:
            drafts[-1][family] = name
    commands = [one for draft in drafts for one in _resolve_each(draft, message, state)]
    return Turn(commands=_merge(commands))


def _resolve_each(draft: dict[str, Any], message: Message, state: State) -> list[dict[str, Any]]:
    """One command of the language as one of commands.md; as one for each place where half or twice
    of what is there is another change at each."""
    command = _resolve(draft, message, state)
    what, spoken = draft.get("what"), {"side", "who"} & draft.keys()
    named = [region for region in draft.get("where", ()) if region not in NO_PLACE]
    shared = draft["do"] == "adjust" and draft.get("value") in ("half", "double", "full")
    edits = [edit for edit in state.edits if edit.what == what]
    if not shared or spoken or named or not _apart(edits):
        return [command]
    every = [
        command
        | edit.model_dump(include={"where", "side"}, exclude_none=True)
        | {"delta": _value(draft, edit)}
        for edit in edits
    ]
    return [one for one in every if one["delta"]] or [command]


def _apart(edits: Sequence[StateEdit]) -> bool:
    """Whether edits of one kind are of different strengths at places that can be named one by one:
    feedback at the kind's usual place is feedback wherever it is, and where one lies on another it
    would be changed twice."""
    if len({edit.strength for edit in edits}) < 2 or any(edit.who is not None for edit in edits):
        return False
    if any(edit.where == [default_region(edit.what)] for edit in edits):
        return False
    spots = [Spot(tuple(edit.where), edit.side, 0) for edit in edits]
    return not any(meet(one, other) for one, other in combinations(spots, 2))


def _resolve(draft: dict[str, Any], message: Message, state: State) -> dict[str, Any]:
    """A command of commands.md from one command of the language."""
    command: dict[str, Any] = {
        name: draft[name]
        for name in ("do", "attribute", "view", "steps", "always")
        if name in draft
    }
    if draft.get("words"):
        command["phrase"] = message.quote(*draft["words"])
    what = draft.get("what")
    edit = find_edit(state, draft.get("attribute", what))
    if what == "last" and command["do"] == "reduce" and edit is not None:
        what = edit.what
    if what is not None:
        command["what"] = what
    if "where" in draft:
        command |= _place(draft, edit, state)
        if draft.get("who") in _from_right(message.text):
            command |= _counted_from_right(command.get("who"), state.faces)
    if "value" in draft:
        name = {"adjust": "delta", "tone": "amount"}.get(command["do"], "strength")
        command[name] = _value(draft, edit)
    return command


def _place(draft: dict[str, Any], edit: StateEdit | None, state: State) -> dict[str, Any]:
    """`where`, `side` and `who`: the ones spoken, else those of the edit that is meant; of a kind
    that is edited at several places, all of them are."""
    do, what = draft["do"], draft.get("what")
    place: dict[str, Any] = {name: draft[name] for name in ("side", "who") if name in draft}
    if place.get("side") == "opposite":
        assert edit is not None and edit.side is not None
        flipped = "right" if edit.side.endswith("left") else "left"
        place["side"] = edit.side.replace("left", "").replace("right", "") + flipped
    spoken = [region for region in draft["where"] if region not in NO_PLACE]
    if spoken:
        return {**place, "where": spoken}
    named_feedback = do in ("adjust", "restore") and what not in ("last", "everything")
    refers = named_feedback or (do, what) == ("reduce", "last") or "there" in draft["where"]
    if do in ("adjust", "restore") and len(places_of(state, what)) > 1:
        edit = None  # wherever they are
    if edit is not None and refers:
        own = {
            name: value for name in ("side", "who") if (value := getattr(edit, name)) is not None
        }
        return {**own, **place, "where": list(edit.where)}
    return {**place, "where": ["image" if do == "tone" else default_region(what or "")]}


def _from_right(text: str) -> set[int]:
    """The numbers that a message counts from the right."""
    said = [number.casefold() for number in _FROM_RIGHT.findall(text)]
    return {_ORDINALS.get(number) or int(number) for number in said}


def _counted_from_right(who: Any, faces: int) -> dict[str, int]:
    """Faces have numbers from the left, and sequences no others: who counts from the other end
    ("the second from the right") names the face that has that number there."""
    return {"who": faces + 1 - who} if isinstance(who, int) and 1 <= who <= faces else {}


def _value(draft: dict[str, Any], edit: StateEdit | None) -> float:
    value = draft["value"]
    if isinstance(value, str):
        assert edit is not None
        now = abs(edit.strength)
        if value == "same":
            return now
        change = {"half": -now / 2, "double": min(now, 1 - now), "full": 1 - now}[value]
        return round(change, 3)
    return -value if draft.get("sign") == "less" else value


def _since(merged: list[dict[str, Any]], command: dict[str, Any]) -> list[dict[str, Any]]:
    """The commands before this one, of which it may be a mere repetition: none from before a step
    back or forth, and of what is about the last edit, or about no place, only its neighbour."""
    if command["do"] not in PLACED or command.get("what") == "last":
        return merged[-1:]
    steps = [at for at, one in enumerate(merged) if one["do"] in ("undo", "redo", "reset")]
    return merged[steps[-1] :] if steps else merged


def _merge(commands: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Drop repeated wishes; regions of neighbours that differ in nothing else become one list, and
    "undo undo" is two steps."""
    merged: list[dict[str, Any]] = []
    for command in commands:
        if command["do"] in ("undo", "redo") and merged and merged[-1]["do"] == command["do"]:
            merged[-1]["steps"] += command["steps"]
            continue
        if command in _since(merged, command):
            continue
        previous = merged[-1] if merged else {}
        if command["do"] in ("reduce", "keep") and command.get("what") not in (None, "other"):
            rest = [
                {name: value for name, value in one.items() if name not in ("where", "phrase")}
                for one in (previous, command)
            ]
            if rest[0] == rest[1]:
                new = [region for region in command["where"] if region not in previous["where"]]
                previous["where"] = [*previous["where"], *new]
                continue
        merged.append(command)
    return merged
