"""Second thoughts: an edit that reached less, or more, than was asked is done with other effort.

Pure: plans and what they measured in, plans out (PerTouch calls it rethinking).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from vision.plan import Edit, Plan

if TYPE_CHECKING:
    from vision.measure import EditMeasure

# How far the reduction that is reached may be from the one that was asked.
TOLERANCE = 0.1
# By how much the reduction has to rise with every doubling of an effort that does not get there.
# (Seen without: eight times the effort took 20 % of a dark circle, not 17, and left a pale patch.)
WORTH = 0.05
# How often a plan is rendered again at most.
SECOND_THOUGHTS = 2
# From least to most: beyond, there is nothing left to take, or it is taken in one go anyway.
EFFORTS = (0.25, 8.0)
# A reduction of nearly nothing or nearly all says little about how much effort would help.
_TELLING = (0.05, 0.97)


def missed(edit: Edit, measure: EditMeasure) -> float:
    """How much more (above 0) or less (below 0) should have gone, beyond the tolerance; 0 where
    nothing was found to take away, and of what is all over the skin: more effort only made it wax
    (seen: half the strength with eight times the effort changed twice what full strength does)."""
    if edit.strength == 0 or measure.found == 0 or measure.all_over:
        return 0.0
    off = edit.strength - measure.reduction
    return math.copysign(max(abs(off) - TOLERANCE, 0.0), off)


def total_missed(plan: Plan, measured: Sequence[EditMeasure]) -> float:
    """How far a plan is off in all, the sum of what its edits `cost`."""
    return sum(cost(*pair) for pair in zip(plan.edits, measured, strict=True))


def cost(edit: Edit, measure: EditMeasure) -> float:
    """How far an edit is off, with its effort held against one that still misses: of two efforts
    the one with less is better."""
    off = abs(missed(edit, measure))
    return off + WORTH * max(math.log2(edit.effort), 0.0) if off else 0.0


def second_thought(
    plan: Plan, measured: Sequence[EditMeasure], settled: Collection[Edit] = ()
) -> Plan:
    """The plan with other efforts where edits missed; the plan itself where none did, or where
    they are at their limits. Those `settled` stay as they are."""
    edits = tuple(
        edit if edit in settled else _corrected(edit, measure)
        for edit, measure in zip(plan.edits, measured, strict=True)
    )
    return plan if edits == plan.edits else replace(plan, edits=edits)


def _corrected(edit: Edit, measure: EditMeasure) -> Edit:
    """As if every round of effort took the same share of what the last one left."""
    if missed(edit, measure) == 0:
        return edit
    least, most = _TELLING
    asked, reached = (min(max(x, least), most) for x in (edit.strength, measure.reduction))
    factor = math.log(1 - asked) / math.log(1 - reached)
    effort = min(max(edit.effort * factor, EFFORTS[0]), EFFORTS[1])
    return replace(edit, effort=round(effort, 3))
