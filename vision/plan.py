"""What the renderer is asked to do: plain, resolved, immutable. No words, no users."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from vision.vocabulary import Kind, Region, Side, ToneAttribute


@dataclass(frozen=True)
class Edit:
    """Make one kind weaker at one place on one face.

    `what` is a single kind (groups such as "blemishes" are expanded before), `strength` is in
    0..1, `face` indexes the faces of the analysis (from the left). `phrase`, the user's own
    words, prompts the detector when `what` is "other".

    `effort` is how hard the renderer works for that strength: what it would leave of a mark in
    one go, it leaves `effort` times over (1: as calibrated). The agent chooses it, so that what is
    reached is what was asked.
    """

    what: Kind
    where: tuple[Region, ...]
    strength: float
    face: int = 0
    side: Side | None = None
    phrase: str | None = None
    effort: float = 1.0


@dataclass(frozen=True)
class Opening:
    """A place inside a keep. `face` is None where the place is no face's."""

    where: Region
    face: int | None = None
    side: Side | None = None


@dataclass(frozen=True)
class Keep:
    """Never touch this kind, or "everything", at this place on this face.

    At the `openings`, light and colour may change all the same. With a `mask` (as `Fill` has it)
    the place is what is marked, and `where` names none.
    """

    what: Kind | Literal["everything"]
    where: tuple[Region, ...]
    face: int = 0
    side: Side | None = None
    phrase: str | None = None
    openings: tuple[Opening, ...] = ()
    mask: bytes | None = field(default=None, repr=False)


# What may stand before a name without making another thing of it.
_POINTERS = frozenset("a an her his my our that the their these this those your".split())


def same_thing(one: Edit | Keep, other: Edit | Keep) -> bool:
    """Whether both are about the same kind, of "other" about what the same words name: "my bruise"
    is "the bruise"."""
    return (one.what, bare(one.phrase)) == (other.what, bare(other.phrase))


def bare(phrase: str | None) -> str | None:
    """A name without what may stand before it."""
    if phrase is None:
        return None
    words = phrase.casefold().split()
    while len(words) > 1 and words[0] in _POINTERS:
        del words[0]
    return " ".join(words)


@dataclass(frozen=True)
class Tone:
    """Move one attribute of light or colour at one place by an amount in -1..1 (`vision.tone`).

    `face` is None where the place is no face's: "image" and "background". Amounts of places that
    overlap add up.
    """

    attribute: ToneAttribute
    where: Region
    amount: float
    face: int | None = None
    side: Side | None = None


@dataclass(frozen=True)
class Fill:
    """Put this face's skin in place of whatever is at the marked pixels.

    `mask` is a 1-bit PNG of the upright photo's size (`vision.marked.pack`): bytes, so that plans
    are compared by value and written down as they are. `what` is the kind of a mark that was
    pointed at; it overrules a keep of that kind, as an edit at a narrower place does.
    """

    mask: bytes = field(repr=False)
    face: int = 0
    what: Kind | None = None


@dataclass(frozen=True)
class Plan:
    """All edits in force, all keeps, all fills and all tones.

    Of one kind, a later edit wins where two overlap; strength 0 brings the original back there.
    A keep beats an edit where both claim a pixel; an edit whose place is a true part of that of
    the keep of its own kind wins there ("keep the moles but remove the one on the chin"); a keep of
    `SKIN_KINDS`, which are all over the skin, beats edits of them alone. Marked pixels are filled
    instead of edited; a keep that beats the edits there beats the fill, too, but for one of the
    kind that the fill is of.
    Tones come last, on the healed photo; keeps beat them all but at their openings.
    """

    edits: tuple[Edit, ...] = ()
    keeps: tuple[Keep, ...] = ()
    fills: tuple[Fill, ...] = ()
    tones: tuple[Tone, ...] = ()
