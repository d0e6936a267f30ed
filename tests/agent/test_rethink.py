"""Rethinking: what misses the wish is tried again, at most twice, and what falls short is said."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from agent.rethink import EFFORTS, SECOND_THOUGHTS, missed, second_thought, total_missed
from tests.agent.conftest import MARKED
from vision.plan import Edit, Plan


def measured(reduction: float, found: float = 0.02, all_over: bool = False) -> SimpleNamespace:
    return SimpleNamespace(found=found, reduction=reduction, all_over=all_over)


def test_only_what_is_found_and_asked_can_be_missed():
    edit = Edit("acne", ("face",), 0.5)
    assert missed(edit, measured(0.45)) == 0 == missed(edit, measured(0.0, found=0))
    assert missed(edit, measured(0.2)) == pytest.approx(0.2)
    assert missed(edit, measured(0.8)) == pytest.approx(-0.2)
    assert missed(Edit("acne", ("face",), 0.0), measured(0.5)) == 0
    assert missed(Edit("pores", ("face",), 0.5), measured(0.1, all_over=True)) == 0


def test_too_little_asks_for_more_effort_and_too_much_for_less():
    edits = tuple(Edit(kind, ("face",), 0.5) for kind in ("acne", "moles", "shine"))
    better = second_thought(Plan(edits), [measured(0.2), measured(0.8), measured(0.5)])
    more, less, same = (edit.effort for edit in better.edits)
    assert more > 1 > less and same == 1


def test_efforts_end_somewhere_and_a_plan_that_reached_its_aim_stays():
    hopeless = Plan((Edit("acne", ("face",), 1.0, effort=EFFORTS[1]),))
    assert second_thought(hopeless, [measured(0.1)]) == hopeless
    good = Plan((Edit("acne", ("face",), 0.5),))
    assert second_thought(good, [measured(0.55)]) == good


def test_effort_has_to_be_worth_what_it_brings():
    """Eight times the effort for a little more of a dark circle costs more skin than it gives."""

    def off(effort: float, reduction: float) -> float:
        plan = Plan((Edit("dark_circles", ("face",), 1.0, effort=effort),))
        return total_missed(plan, [measured(reduction)])

    assert off(8.0, 0.20) > off(1.0, 0.17)
    assert off(8.0, 0.60) < off(1.0, 0.17)
    assert off(8.0, 0.95) == 0


@pytest.fixture
def stubborn(opened):
    """A photo on which every effort takes a quarter of what it should."""

    def open(share: float = 0.25):
        talk = opened(MARKED)
        strengths = talk.studio._strengths

        def reached(analysis, plan):
            efforts = {edit.what: edit.effort for edit in plan.edits}
            kinds = sorted({edit.what for edit in plan.edits})
            for row, column, strength in strengths(analysis, plan):
                effort = efforts[kinds[0]]
                yield row, column, 1 - (1 - share * strength) ** effort

        talk.studio._strengths = reached
        return talk

    return open


def test_more_effort_reaches_what_was_asked(stubborn):
    talk = stubborn()
    reply = talk.do({"do": "reduce", "what": "acne", "where": ["face"], "strength": 0.5})
    assert reply.report.edits[0].reduction == pytest.approx(0.5, abs=0.1)
    assert reply.report.edits[0].strength == 0.5
    assert 2 <= talk.studio.calls.count("render") <= 2 + SECOND_THOUGHTS
    assert "as far as I get" not in reply.text


def test_an_effort_that_gains_nothing_is_not_kept_because_another_gains_much(opened):
    talk = opened(MARKED)
    strengths, share = talk.studio._strengths, {"acne": 0.3, "moles": 0.02}

    def reached(analysis, plan):
        for edit in plan.edits:
            for row, column, strength in strengths(analysis, replace(plan, edits=(edit,))):
                yield row, column, 1 - (1 - share[edit.what] * strength) ** edit.effort

    talk.studio._strengths = reached
    acne, moles = (
        {"do": "reduce", "what": kind, "where": ["chin"], "strength": 0.6} for kind in share
    )
    talk.do(acne, moles)
    assert talk.strength("acne", "chin") == pytest.approx(0.6, abs=0.1)
    assert talk.strength("moles", "chin") < 0.02  # eight times the effort would take a tenth
    assert talk.studio.calls.count("render") <= 2 + SECOND_THOUGHTS


def test_what_falls_short_is_said(stubborn):
    reply = stubborn(0.01).do({"do": "reduce", "what": "acne", "where": ["face"], "strength": 1.0})
    assert reply.report.edits[0].reduction < 0.2
    assert "as far as I get with the acne (100% was asked)" in reply.text


def test_who_asks_for_less_is_not_told_that_more_cannot_be_reached(stubborn):
    talk = stubborn(0.01)
    talk.do({"do": "reduce", "what": "acne", "where": ["face"], "strength": 0.8})
    less = {"do": "adjust", "what": "last", "where": ["chin"], "delta": -0.2}
    assert "as far as I get" not in talk.do(less).text
    more = {"do": "adjust", "what": "last", "where": ["chin"], "delta": 0.3}
    assert "as far as I get" in talk.do(more).text


def test_feedback_starts_with_the_effort_it_took_before(stubborn):
    talk = stubborn()
    talk.do({"do": "reduce", "what": "acne", "where": ["face"], "strength": 0.5})
    renders = talk.studio.calls.count("render")
    talk.do({"do": "adjust", "what": "last", "where": ["face"], "delta": -0.1})
    assert talk.studio.calls.count("render") == renders + 1


def test_undo_shows_exactly_what_it_showed(stubborn):
    talk = stubborn()
    talk.do({"do": "reduce", "what": "acne", "where": ["face"], "strength": 0.5})
    first = talk.session.result.pixels.copy()
    for strength in (0.9, 0.2, 0.7):
        talk.do({"do": "reduce", "what": "acne", "where": ["face"], "strength": strength})
    talk.session.undo(3)
    assert (talk.session.result.pixels == first).all()


def test_what_got_worse_is_not_called_weaker(stubborn):
    talk = stubborn(-0.2)
    reply = talk.do({"do": "reduce", "what": "acne", "where": ["face"], "strength": 0.5})
    assert "the acne is not weaker" in reply.text.lower()


def test_what_goes_too_far_is_said(opened):
    talk = opened()
    talk.studio._strengths = lambda analysis, plan: [
        (*cell, 0.8) for edit in plan.edits for cell in talk.studio._cells(analysis, edit)
    ]
    reply = talk.do({"do": "reduce", "what": "acne", "where": ["face"], "strength": 0.3})
    assert reply.report.edits[0].reduction == pytest.approx(0.8)
    assert "That took more than was asked of the acne (30% was asked)." in reply.text
    assert "took more" not in talk.do({"do": "reduce", "what": "acne", "strength": 0.75}).text
