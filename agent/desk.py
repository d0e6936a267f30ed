"""One photo on the desk: analysed once, rendered and measured once per plan."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from agent.progress import Watch, unwatched
from agent.rethink import SECOND_THOUGHTS, cost, missed, second_thought, total_missed
from agent.scene import Box
from agent.studio import Studio
from vision.plan import Edit, Plan

if TYPE_CHECKING:
    from memory.scene import PhotoScene
    from vision.measure import Measurement
    from vision.photo import Photo
    from vision.pipeline import Analysis, Rendering

# Results kept at hand: the present one and the one before, since photos can be huge.
RESULTS = 2


@dataclass(frozen=True, eq=False)
class Result:
    """What a plan made of the photo, and what that measures; `plan` has the efforts it took."""

    plan: Plan
    rendering: Rendering
    measurement: Measurement

    @property
    def photo(self) -> Photo:
        return self.rendering.photo


class Desk:
    """Asks the studio as little as possible, and keeps the time in `seconds`."""

    def __init__(self, photo: Photo, studio: Studio, clip: str | None = None) -> None:
        self.photo = photo
        self.studio = studio
        self.watch: Watch = unwatched
        self._clip = clip
        self.seconds = {"analyse": 0.0, "render": 0.0}
        self._results: OrderedDict[Plan, Result] = OrderedDict()
        self._thought: dict[Plan, Plan] = {}  # with efforts, so that undo shows what it showed
        self._efforts: dict[Edit, float] = {}  # by `_bare` edits: "a bit less" starts here
        self._settled: dict[Edit, float] = {}  # by edits that reached what was asked, to stay so

    @cached_property
    def analysis(self) -> Analysis:
        self.watch("finding")
        with self._timed("analyse"):
            return self.studio.analyse(self.photo)

    @property
    def faces(self) -> tuple[Box, ...]:
        return tuple(face.face.box for face in self.analysis.faces)

    def reached(self, faces: set[int]) -> set[int]:
        """These faces, and those that edits of them may touch."""
        return self.analysis.reached(faces)

    @cached_property
    def scene(self) -> PhotoScene:
        """What kind of photo it is, as memory knows it."""
        analysis = self.analysis
        with self._timed("analyse"):
            return self.studio.scene(analysis, self._clip)

    def found(self, edit: Edit) -> float:
        """Share of the face area that shows the edit's kind at its place (`scene.Found`)."""
        face = self.analysis.faces[edit.face]
        self.watch("finding")
        with self._timed("analyse"):
            return face.found(edit.what, edit.where, edit.side, edit.phrase)

    def result(self, plan: Plan) -> Result:
        """The plan's result, rendered anew only when it is not at hand."""
        if plan not in self._results:
            self._results[plan] = self._toned(plan) if plan.tones else self._healed(plan)
        self._results.move_to_end(plan)
        while len(self._results) > RESULTS:
            self._results.popitem(last=False)
        return self._results[plan]

    def _healed(self, plan: Plan) -> Result:
        """A plan without tones, rendered once or twice more where it missed what was asked."""
        if plan in self._thought:
            return self._rendered(self._thought[plan])
        result = self._rethought(self._rendered(self._experienced(plan)))
        self._thought[plan] = result.plan
        return result

    def _toned(self, plan: Plan) -> Result:
        """Tones on top of what is healed. Marks are judged before them: on a darker face the
        detector sees others, and the same wish would be carried out otherwise."""
        healed = self.result(replace(plan, tones=()))
        whole = self._rendered(replace(healed.plan, tones=plan.tones))
        marks = healed.measurement
        measurement = replace(whole.measurement, edits=marks.edits, fills=marks.fills)
        return replace(whole, measurement=measurement)

    def _rendered(self, plan: Plan) -> Result:
        analysis = self.analysis
        with self._timed("render"):
            self.watch("retouching")
            rendering = self.studio.render(analysis, plan)
            self.watch("checking")
            return Result(plan, rendering, self.studio.measure(analysis, plan, rendering))

    def _experienced(self, plan: Plan) -> Plan:
        """The plan with the efforts that its edits took before, or took at other strengths."""
        known = tuple(
            _with_effort(edit, self._settled, edit.strength)
            or _with_effort(edit, self._efforts, 0.0)
            or edit
            for edit in plan.edits
        )
        return replace(plan, edits=known)

    def _rethought(self, best: Result) -> Result:
        """The best of a few tries at reaching what was asked.

        Edits that reached it before are left alone: giving back the nose must not change the chin.
        Each is judged for itself: an effort that gains nothing is not kept because another's does.
        """
        edits, measures = list(best.plan.edits), list(best.measurement.edits)  # of their best try
        settled = {e for e in edits if _with_effort(e, self._settled, e.strength) == e}
        for _ in range(SECOND_THOUGHTS):
            plan = second_thought(replace(best.plan, edits=tuple(edits)), measures, settled)
            if plan == best.plan:
                break
            tried = self._rendered(plan)
            for at, (edit, measure) in enumerate(
                zip(plan.edits, tried.measurement.edits, strict=True)
            ):
                if cost(edit, measure) < cost(edits[at], measures[at]):
                    edits[at], measures[at] = edit, measure
                else:
                    settled.add(edits[at])
            best = min(best, tried, key=lambda one: total_missed(one.plan, one.measurement.edits))
        for edit, measure in zip(best.plan.edits, best.measurement.edits, strict=True):
            self._efforts |= dict.fromkeys(_bare(edit, 0.0), edit.effort)
            if missed(edit, measure) == 0:
                self._settled |= dict.fromkeys(_bare(edit, edit.strength), edit.effort)
        return best

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


def _bare(edit: Edit, strength: float) -> list[Edit]:
    """An edit in each of its regions, with this strength and no effort of its own."""
    return [replace(edit, where=(one,), strength=strength, effort=1.0) for one in edit.where]


def _with_effort(edit: Edit, known: dict[Edit, float], strength: float) -> Edit | None:
    """The edit with the effort known of all its regions; None where there is none, or several."""
    efforts = {known.get(one) for one in _bare(edit, strength)}
    effort = efforts.pop()
    return None if efforts or effort is None else replace(edit, effort=effort)
