"""One photo on the desk: analysed once, rendered and measured once per plan."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from agent.scene import Box
from agent.studio import Studio
from vision.plan import Edit, Plan

if TYPE_CHECKING:
    from vision.measure import Measurement
    from vision.photo import Photo
    from vision.pipeline import Analysis, Rendering

# Results kept at hand: the present one and the one before, since photos can be huge.
RESULTS = 2


@dataclass(frozen=True, eq=False)
class Result:
    """What a plan made of the photo, and what that measures."""

    plan: Plan
    rendering: Rendering
    measurement: Measurement

    @property
    def photo(self) -> Photo:
        return self.rendering.photo


class Desk:
    """Asks the studio as little as possible, and keeps the time in `seconds`."""

    def __init__(self, photo: Photo, studio: Studio) -> None:
        self.photo = photo
        self.studio = studio
        self.seconds = {"analyse": 0.0, "render": 0.0}
        self._results: OrderedDict[Plan, Result] = OrderedDict()

    @cached_property
    def analysis(self) -> Analysis:
        with self._timed("analyse"):
            return self.studio.analyse(self.photo)

    @property
    def faces(self) -> tuple[Box, ...]:
        return tuple(face.face.box for face in self.analysis.faces)

    def found(self, edit: Edit) -> float:
        """Share of the face area that shows the edit's kind at its place (`scene.Found`)."""
        face = self.analysis.faces[edit.face]
        with self._timed("analyse"):
            return face.found(edit.what, edit.where, edit.side, edit.phrase)

    def result(self, plan: Plan) -> Result:
        """The plan's result, rendered anew only when it is not at hand."""
        if plan not in self._results:
            analysis = self.analysis
            with self._timed("render"):
                rendering = self.studio.render(analysis, plan)
                measurement = self.studio.measure(analysis, plan, rendering)
            self._results[plan] = Result(plan, rendering, measurement)
        self._results.move_to_end(plan)
        while len(self._results) > RESULTS:
            self._results.popitem(last=False)
        return self._results[plan]

    def take_seconds(self) -> dict[str, float]:
        """The seconds spent since this was last asked."""
        spent, self.seconds = self.seconds, dict.fromkeys(self.seconds, 0.0)
        return spent

    @contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[what] += time.perf_counter() - start
