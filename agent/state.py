"""One moment of a conversation: what is edited, what is kept. Immutable, so that history is safe.

`Conversation.plan` says it to the renderer, `Conversation.told` to the language model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain, groupby
from typing import Literal

from llm.commands import State, StateEdit, Who
from vision.places import Spot, inside, meet
from vision.plan import Edit, Fill, Keep, Plan, Tone, same_thing
from vision.vocabulary import Kind, Region, Side

Origin = Literal["said", "remembered", "policy"]
Reached = Callable[[set[int]], set[int]]  # of faces that are edited, all that this may touch


@dataclass(frozen=True)
class Made:
    """An edit in force, and where it came from.

    `named` is the word the user used ("blemishes" for an edit of acne), or "auto". Edits of one
    command share its `serial`. A strength of 0 brings the original back inside a wider edit.
    `reason` says why memory chose the strength.
    """

    edit: Edit
    named: Kind | Literal["auto"]
    serial: int
    reason: str | None = None


@dataclass(frozen=True)
class Held:
    """A keep in force, where it comes from, and why it is remembered (None: said in this chat).

    One that is not `guarded` is of a kind the detector cannot see: noted, but nothing to render.
    `singled` out is one for a face that was named among several.
    """

    keep: Keep
    origin: Origin = "said"
    reason: str | None = None
    guarded: bool = True
    singled: bool = False


@dataclass(frozen=True)
class Filled:
    """A marked area in force. What one mask marks on several faces shares its `serial`."""

    fill: Fill
    serial: int


@dataclass(frozen=True)
class Toned:
    """A tone in force. Each attribute has one at each place; what one command asks for at several
    places shares its `serial`.

    `reason` says why memory `proposed` it, to a user who asked for nothing by name. An `offset` is
    what feedback at a place within a wider tone adds to that.
    """

    tone: Tone
    serial: int
    reason: str | None = None
    proposed: bool = False
    offset: bool = False

    @property
    def where(self) -> tuple[Region, ...]:
        return (self.tone.where,)

    @property
    def side(self) -> Side | None:
        return self.tone.side

    def spot(self, face: int) -> Spot:
        """Its place, on a face where the place is no face's own."""
        return Spot(self.where, self.side, face if self.tone.face is None else self.tone.face)


@dataclass(frozen=True)
class Conversation:
    """All edits in the order made (of one kind, a later one wins where two overlap), all keeps,
    all marked areas, all tones (where they overlap, they add up)."""

    edits: tuple[Made, ...] = ()
    keeps: tuple[Held, ...] = ()
    fills: tuple[Filled, ...] = ()
    tones: tuple[Toned, ...] = ()

    @property
    def edited(self) -> bool:
        """Whether anything is asked for beside keeps."""
        return bool(self.edits or self.fills or self.tones)

    @property
    def last(self) -> int:
        """The serial of what touched an edit, an area or a tone last, 0 where there is none."""
        return _last(self.edits, self.fills, self.tones)

    def guards(self, focus: tuple[int, ...], reached: Reached) -> tuple[Held, ...]:
        """The keeps to render: those of faces that what is edited or marked can reach, or where
        nothing is, of those that somebody looks at; all where tones may reach any face."""
        if self.tones:
            return tuple(held for held in self.keeps if held.guarded)
        edited = {made.edit.face for made in self.edits}
        edited |= {filled.fill.face for filled in self.fills}
        faces = reached(edited) if edited else set(focus)
        return tuple(held for held in self.keeps if held.guarded and held.keep.face in faces)

    def plan(self, focus: tuple[int, ...], reached: Reached) -> Plan:
        """What to render: every edit in order, the `guards` in order, every area and tone."""
        return Plan(
            edits=tuple(made.edit for made in self.edits),
            keeps=tuple(held.keep for held in self.guards(focus, reached)),
            fills=tuple(filled.fill for filled in self.fills),
            tones=tuple(toned.tone for toned in self.tones),
        )

    def told(self, faces: int) -> State:
        """What the parser is told (commands.md, "state"); groups appear as the user named them,
        tones after all edits.

        Marked areas have no name there: after one is filled, no edit is the last.
        """
        edits: list[StateEdit] = []
        last: int | None = None
        for same, group in groupby(self._visible(), key=_as_told):
            what, where, side, strength, serial = same
            who = _who([made.edit.face for made in group], faces)
            edits.append(
                StateEdit(what=what, where=list(where), side=side, strength=strength, who=who)
            )
            if serial == self.last:
                last = len(edits) - 1
        for one, together in groupby(self.tones, key=_as_one_tone):
            attribute, side, amount, serial = one
            tones = [toned.tone for toned in together]
            where = list(dict.fromkeys(tone.where for tone in tones))
            named = {tone.face for tone in tones if tone.face is not None}
            who = _who(named, faces) if named else None
            edits.append(
                StateEdit(what=attribute, where=where, side=side, strength=amount, who=who)
            )
            if serial == self.last and last is None:  # feedback on both is feedback on edits
                last = len(edits) - 1
        kept = list(dict.fromkeys(h.keep.what for h in self.keeps if h.keep.mask is None))
        return State(edits=edits, kept=kept, last=last, faces=faces)

    def _visible(self) -> list[Made]:
        return [made for made in self.edits if made.edit.strength > 0]


def latest(
    edits: Sequence[Made], fills: Sequence[Filled], tones: Sequence[Toned]
) -> tuple[list[Made], list[Filled], list[Toned]]:
    """Those that were touched or marked last."""
    last = _last(edits, fills, tones)
    return (
        [made for made in edits if made.serial == last],
        [filled for filled in fills if filled.serial == last],
        [toned for toned in tones if toned.serial == last],
    )


def lay(edits: Iterable[Made], new: Made) -> list[Made]:
    """Put an edit on top; whatever it covers of earlier edits of its kind is gone."""
    below: list[Made] = []
    for made in edits:
        if same_kind(made.edit, new.edit):
            left = tuple(
                region
                for region in made.edit.where
                if not inside(new.edit, replace(made.edit, where=(region,)))
            )
            if not left:
                continue
            made = replace(made, edit=replace(made.edit, where=left))
        below.append(made)
    return [*below, new]


def tidy(edits: Iterable[Made], keeps: Sequence[Held] = ()) -> list[Made]:
    """Join equal edits of one command; drop those of strength 0 that have nothing to hide.

    One that overrules a keep because it is narrower stays by itself.
    """
    kept: list[Made] = []
    for made in edits:
        alone = any(same_kind(h.keep, made.edit) and meet(h.keep, made.edit) for h in keeps)
        twin = next(
            (at for at, other in enumerate(kept) if _same_but_place(other, made) and not alone),
            None,
        )
        if twin is not None and not _lies_on(made, kept[twin + 1 :]):
            where = (*kept[twin].edit.where, *made.edit.where)
            kept[twin] = replace(kept[twin], edit=replace(kept[twin].edit, where=where))
        elif made.edit.strength > 0 or _lies_on(made, kept):
            kept.append(made)
    return kept


def _lies_on(made: Made, others: Iterable[Made]) -> bool:
    """Whether an edit covers something of others of its kind."""
    return any(same_kind(other.edit, made.edit) and meet(other.edit, made.edit) for other in others)


def binds(keep: Keep, other: Edit | Keep) -> bool:
    """Whether a keep speaks of all of another wish: its kind (or every kind), its whole place."""
    return (keep.what == "everything" or same_kind(keep, other)) and inside(keep, other)


def same_kind(one: Edit | Keep, other: Edit | Keep) -> bool:
    """Whether two wishes are about the same thing: the same kind, of "other" in the same words."""
    return same_thing(one, other)


def _last(*touched: Iterable[Made | Filled | Toned]) -> int:
    return max((one.serial for one in chain(*touched)), default=0)


def _same_but_place(one: Made, other: Made) -> bool:
    return one == replace(other, edit=replace(other.edit, where=one.edit.where))


def _as_told(made: Made) -> tuple:
    what = made.edit.what if made.named == "auto" else made.named
    edit = made.edit
    return what, edit.where, edit.side, edit.strength, made.serial


def _as_one_tone(toned: Toned) -> tuple:
    tone = toned.tone
    return tone.attribute, tone.side, tone.amount, toned.serial


def _who(faces: Iterable[int], count: int) -> Who | None:
    """How a command names these faces; some of several have no name together."""
    named = set(faces)
    if count <= 1 or 1 < len(named) < count:
        return None
    return "everyone" if len(named) == count else min(named) + 1
