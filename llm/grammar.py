"""The grammar of the command language: its tokens, and the automaton that keeps sequences valid.

A sequence is `<start> command* <end>`; a command is its verb and then its slots in fixed order
(`SLOTS`). Besides the tokens of `TOKENS` a sequence holds pointers, `len(TOKENS) + i` for word i of
the message: two of them quote a phrase, one stands for a number that the user spoke. References
stay references ("last", "here", "same", "opposite", "half"); llm.sequences resolves them.

`Grammar` allows only what can be read as a valid `Turn`, whatever the network prefers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from llm.commands import State, StateEdit
from llm.words import Message
from vision.vocabulary import KINDS, REGIONS, SIDES, TONE_ATTRIBUTES

MAX_COMMANDS = 10
MAX_PHRASE_WORDS = 15
MAX_REGIONS = 6

# Slots of every verb, in order; "?" marks those that may be left out.
SLOTS: dict[str, tuple[str, ...]] = {
    "reduce": ("phrase?", "what", "where", "side?", "who?", "strength", "always?"),
    "keep": ("phrase?", "what", "where", "side?", "who?", "always?"),
    "allow": ("what", "where", "side?", "who?"),
    "adjust": ("what", "where", "side?", "who?", "sign", "change"),
    "restore": ("what", "where", "side?", "who?"),
    "tone": ("attribute", "where", "side?", "who?", "sign", "amount", "always?"),
    "auto": ("where", "side?", "who?", "strength"),
    "undo": ("steps",),
    "redo": ("steps",),
    "reset": (),
    "accept": (),
    "remember": (),
    "forget": ("what",),
    "show": ("view", "what?"),
    "explain": (),
    "save": (),
    "help": (),
    "chat": (),
    "unsupported": ("phrase",),
}
# What else `what` may be, by verb.
REFERENCES = {
    "reduce": ("last",),
    "keep": ("everything",),
    "allow": ("everything",),
    "adjust": ("last", "everything"),
    "restore": ("last", "everything"),
    "forget": ("everything",),
    "show": ("last", "everything"),
}
WHO = ("photo_left", "photo_right", "middle", "largest", "smallest", "everyone", *range(1, 10))
VIEWS = ("before", "after", "split", "mask")
STEPS = tuple(range(1, 11))
GRID = tuple(round(step / 20, 2) for step in range(21))

# "here": no place was spoken. "there": the place of the edit that the state has of this.
NO_PLACE = ("here", "there")
CHANGES = ("half", "double", "full")
_FAMILIES: dict[str, tuple[Any, ...]] = {
    "do": tuple(SLOTS),
    "what": (*KINDS, "everything", "last"),
    "attribute": TONE_ATTRIBUTES,
    "where": (*REGIONS, *NO_PLACE),
    "side": (*SIDES, "opposite"),
    "who": WHO,
    "sign": ("more", "less"),
    "value": (*GRID, "same", *CHANGES),
    "always": (True,),
    "view": VIEWS,
    "steps": STEPS,
}
PAD, START, END = 0, 1, 2
TOKENS: tuple[str, ...] = (
    "<pad>",
    "<start>",
    "<end>",
    *(f"{family}:{name}" for family, names in _FAMILIES.items() for name in names),
)
_MEANING: tuple[tuple[str, Any], ...] = (
    *(("", None) for _ in range(3)),
    *((family, name) for family, names in _FAMILIES.items() for name in names),
)
_INDEX = {pair: index for index, pair in enumerate(_MEANING) if pair[0]}
# Slots that hold a share of 1.
VALUE_SLOTS = ("strength", "change", "amount")

# Words without which a message cannot mean a side or one of several faces.
SIDE_WORDS = frozenset(
    """
    left right lefthand righthand leftmost rightmost other opposite wrong l r lhs rhs lft rt
    rite side sides
    """.split()
)
WHO_WORDS = frozenset(
    """
    person persons individual number people man woman men women guy guys girl girls boy boys kid
    kids child children baby
    lady gentleman everyone everybody anyone all both each us we them they their theirs him her
    his hers he she face faces one ones other others first second third fourth fifth last mom
    mum mother dad father brother sister son daughter grandma grandpa grandmother grandfather
    wife husband friend friends bride groom couple group subject subjects dude whole team family
    bloke gal nobody two three four five six guest guests aunt auntie uncle nan nana nanna gran
    granny papa mama mummy mommy daddy bestie cousin twin twins colleague boss client girlfriend
    boyfriend fiance fiancee bridesmaid toddler teen teenager pal chap lad lass adult adults
    somebody someone middle centre center closest nearest tallest youngest oldest standing
    sitting row sis bro partner niece nephew
    """.split()
)


def token(family: str, name: Any) -> int:
    """Index of one token of the language."""
    return _INDEX[family, name]


def meaning(index: int) -> tuple[str, Any]:
    """Family and name of a token that is no pointer."""
    return _MEANING[index]


def pointer(word: int) -> int:
    """Index that points at a word of the message."""
    return len(TOKENS) + word


@dataclass(frozen=True)
class Place:
    """Where a sequence stands: the command begun, the next slot, and what later slots depend on."""

    commands: int = 0
    verb: str | None = None
    slot: int = 0
    opened: int | None = None
    quoted: bool = False
    what: Any = None
    regions: tuple[str, ...] = ()
    ended: bool = False


class Grammar:
    """What may follow in a sequence about one message, said in one state."""

    def __init__(self, message: Message, state: State | None = None):
        self.message = message
        self.state = state or State()
        words = {part for form in message.forms for part in form.split("'")}
        edits = self.state.edits
        self._sides = bool(words & SIDE_WORDS)
        self._who = self.state.faces > 1 or bool(words & WHO_WORDS)
        self._last = edits[self.state.last] if self.state.last is not None else None
        self._numbers = [pointer(at) for at in message.numbers]

    @property
    def size(self) -> int:
        """How many indices a step chooses from: the tokens and the words of the message."""
        return len(TOKENS) + len(self.message.words)

    def mask(self, place: Place) -> np.ndarray:
        """True for every index that may come next, shape (size,)."""
        allowed = np.zeros(self.size, dtype=bool)
        for _, options in self._reachable(place):
            allowed[list(options)] = True
        return allowed

    def step(self, place: Place, index: int) -> Place:
        """The place after `index`. Raises ValueError where the mask forbids it."""
        for slot, options in self._reachable(place):
            if index in options:
                return self._take(place, slot, index)
        raise ValueError(f"index {index} cannot follow at {place}")

    def _reachable(self, place: Place) -> Iterator[tuple[int, Sequence[int]]]:
        """The slots that the next index may fill, with their options; -1 is a new command."""
        if place.ended:
            return
        if place.opened is not None:
            last = min(len(self.message.words), place.opened + MAX_PHRASE_WORDS)
            yield place.slot, [pointer(word) for word in range(place.opened, last)]
            return
        slots = SLOTS[place.verb] if place.verb is not None else ()
        for at in range(place.slot, len(slots)):
            name = slots[at].rstrip("?")
            yield at, self._options(place, name)
            more_regions = name == "where" and place.regions and at == place.slot
            if not slots[at].endswith("?") and not more_regions:
                return
        yield -1, self._next_commands(place)

    def _next_commands(self, place: Place) -> list[int]:
        if place.verb == "chat":
            return [END]
        verbs = [verb for verb in SLOTS if verb != "chat" or place.commands == 0]
        if not self.message.words:
            verbs.remove("unsupported")
        options = [token("do", verb) for verb in verbs] if place.commands < MAX_COMMANDS else []
        return [*options, END] if place.commands else options

    def _options(self, place: Place, slot: str) -> list[int]:
        if slot == "phrase":
            return [pointer(word) for word in range(len(self.message.words))]
        if slot == "what":
            names = [*KINDS, *REFERENCES.get(place.verb or "", ())]
            if place.verb == "reduce" and (self._last is None or self._last.what not in KINDS):
                names.remove("last")
            if place.verb in ("reduce", "keep") and not place.quoted:
                names.remove("other")
            return [token("what", name) for name in names]
        if slot == "where":
            return self._regions(place)
        if slot == "side":
            sides = [token("side", side) for side in SIDES] if self._sides else []
            flips = self._last is not None and self._last.side is not None and place.what == "last"
            return [*sides, token("side", "opposite")] if flips else sides
        if slot == "who":
            return [token("who", who) for who in WHO] if self._who else []
        if slot in VALUE_SLOTS:
            return self._values(place, slot)
        return [token(slot, name) for name in _FAMILIES[slot]]

    def _regions(self, place: Place) -> list[int]:
        if any(region in NO_PLACE for region in place.regions):
            return []
        if len(place.regions) >= MAX_REGIONS:
            return []
        names: list[str] = [region for region in REGIONS if region not in place.regions]
        if not place.regions:
            names.append("here")
            known = find_edit(self.state, place.what) is not None
            if known and place.verb in ("tone", "reduce") and place.what != "last":
                names.append("there")
        return [token("where", name) for name in names]

    def _values(self, place: Place, slot: str) -> list[int]:
        steps: Sequence[Any] = GRID if slot == "strength" else GRID[1:]
        if slot == "strength" and place.what == "last":
            steps = [*steps, "same"]
        if slot == "change" and find_edit(self.state, place.what) is not None:
            steps = [*steps, *CHANGES]
        return [token("value", step) for step in steps] + self._numbers

    def _take(self, place: Place, slot: int, index: int) -> Place:
        if slot == -1:
            if index == END:
                return replace(place, ended=True)
            return Place(commands=place.commands + 1, verb=meaning(index)[1])
        assert place.verb is not None
        name = SLOTS[place.verb][slot].rstrip("?")
        if name == "phrase":
            if place.opened is None:
                return replace(place, slot=slot, opened=index - len(TOKENS))
            return replace(place, slot=slot + 1, opened=None, quoted=True)
        if name == "where":
            return replace(place, slot=slot, regions=(*place.regions, meaning(index)[1]))
        if name in ("what", "attribute"):
            return replace(place, slot=slot + 1, what=meaning(index)[1])
        return replace(place, slot=slot + 1)


def places_of(state: State, what: Any) -> set[tuple]:
    """The places at which something of that name is edited."""
    named = (edit for edit in state.edits if edit.what == what)
    return {(frozenset(edit.where), edit.side, edit.who) for edit in named}


def find_edit(state: State, what: Any) -> StateEdit | None:
    """The edit that feedback on `what` is about: the last one, or the latest of that name."""
    if what == "last":
        return state.edits[state.last] if state.last is not None else None
    return next((edit for edit in reversed(state.edits) if edit.what == what), None)
