"""What one message led to, as front ends get it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from agent.report import Report
from agent.turn import View

if TYPE_CHECKING:
    from PIL import Image

    from vision.photo import Photo
    from vision.vocabulary import Kind

Outcome = Literal["changed", "answered", "nothing", "asked"]


@dataclass(frozen=True)
class Reply:
    """What one message led to.

    `outcome`: the photo "changed"; a question was "answered"; a change was asked for but "nothing"
    changed; or the agent "asked" back. `view` is what the user wants to look at (of `shown`, where
    a mask of kinds is meant: `Session.spread`), `saved` the file that "save it" wrote. `identity`
    is the likeness of each edited face to itself, by its number from 0 on the left: 1 where it
    looks as it did (`vision.identity`). `trouble`: why the language model that was chosen did not
    read the message itself. `sought`: something was to be found and changed.
    """

    text: str
    report: Report
    outcome: Outcome
    photo: Photo = field(repr=False)
    view: View | None = None
    shown: tuple[Kind, ...] = ()
    saved: Path | None = None
    identity: Mapping[int, float] = field(default_factory=dict)
    trouble: str | None = None
    sought: bool = False

    @property
    def changed(self) -> bool:
        """Whether any pixel differs from before the message."""
        return self.outcome == "changed"

    @property
    def exit_code(self) -> int:
        """0 where the photo changed, 3 where the message was understood and nothing changed."""
        return 0 if self.changed else 3

    @cached_property
    def image(self) -> Image.Image:
        """The present result at the photo's full size, 8-bit sRGB."""
        return self.photo.to_pil()
