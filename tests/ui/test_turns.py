"""Turns of the chat page: stages in order, a stop that stops, errors as replies."""

from __future__ import annotations

import threading
from collections import deque
from types import SimpleNamespace

import pytest

from agent.progress import Stopped
from agent.questions import DidYouMean, WhichFace
from llm.commands import Reduce, Turn
from ui.web import turns
from ui.web.turns import Act, stream
from ui.web.views import Look
from vision.errors import FreckleError

TURN = Turn(commands=[Reduce(what="acne", strength=0.5)])


@pytest.fixture
def visit() -> SimpleNamespace:
    session = SimpleNamespace(question=None)
    return SimpleNamespace(look=Look(), lock=threading.Lock(), session=session)


def doing(text: str, *stages: str, gives: str = "done") -> Act:
    """An act that passes through some stages."""

    def run(session, watch):
        for stage in stages:
            watch(stage)
        return gives

    return Act(text, run)


def contents(visit: SimpleNamespace) -> list[str]:
    return [message["content"] for message in visit.look.said]


def test_stages_are_told_in_order_while_the_work_runs_in_another_thread():
    passed = threading.Event()
    threads = []

    def work(watch):
        threads.append(threading.current_thread())
        watch("reading")
        assert passed.wait(10)  # the first stage is heard of before the work is done
        watch("retouching")

    told = stream(work, threading.Event())
    assert next(told) == "reading"
    passed.set()
    assert list(told) == ["retouching"]
    assert threads != [threading.current_thread()]


def test_a_stop_ends_the_work_at_its_next_stage():
    stop, go, reached = threading.Event(), threading.Event(), []

    def work(watch):
        watch("finding")
        assert go.wait(10)
        watch("retouching")
        reached.append("retouching")

    told = stream(work, stop)
    assert next(told) == "finding"
    stop.set()
    go.set()
    with pytest.raises(Stopped):
        next(told)
    assert not reached


def test_whoever_no_longer_listens_stops_the_work():
    stop = threading.Event()
    told = stream(lambda watch: watch("reading"), stop)
    next(told)
    told.close()
    assert stop.is_set()


def test_a_turn_is_said_at_once_then_tells_its_stages_then_answers(visit):
    turns.begin(visit, doing("undo", "retouching", "checking"))
    assert contents(visit) == ["undo", turns.WAITING]
    seen = [contents(visit)[-1] for _ in turns.take(visit)]
    assert seen == [turns.STAGES["retouching"], turns.STAGES["checking"], "done"]


def test_turns_wait_for_each_other_and_answer_where_they_were_said(visit):
    turns.begin(visit, doing("one", gives="first"))
    turns.begin(visit, doing("two", gives="second"))
    list(turns.take(visit))
    assert contents(visit) == ["one", "first", "two", turns.WAITING]
    list(turns.take(visit))
    assert contents(visit) == ["one", "first", "two", "second"]
    assert list(turns.take(visit)) == []


def test_stop_ends_what_runs_and_what_waits(visit):
    turns.begin(visit, doing("one", "finding", "retouching", "checking"))
    turns.begin(visit, doing("two"))
    running = turns.take(visit)
    next(running)
    turns.stop(visit)
    assert visit.look.waiting == deque()
    list(running)
    assert contents(visit)[3] == str(Stopped())
    assert contents(visit)[1] in (str(Stopped()), "done")  # it may have been through already


@pytest.mark.parametrize(
    ("error", "told"),
    [(FreckleError("no such face"), "no such face"), (RuntimeError("secret"), turns.BROKEN)],
)
def test_errors_are_replies(visit, error, told):
    def run(session, watch):
        raise error

    turns.begin(visit, Act("please", run))
    list(turns.take(visit))
    assert contents(visit) == ["please", told]
    turns.begin(visit, doing("again"))
    list(turns.take(visit))
    assert contents(visit)[-1] == "done"


def test_a_question_comes_with_its_answers():
    which = turns.options(SimpleNamespace(question=WhichFace(TURN, (0, 2))))
    assert [one["label"] for one in which] == ["Face 1", "Face 3", "Everyone"]
    boxes = ((0, 0, 9, 9), (20, 0, 9, 9), (40, 0, 9, 9))
    understood = [WhichFace(TURN, (0, 2)).answer(one["value"], boxes) for one in which]
    assert understood == [(0,), (2,), (0, 1, 2)]

    doubt = DidYouMean((TURN,))
    yes, no, _ = turns.options(SimpleNamespace(question=doubt))
    assert doubt.answer(yes["value"]) == TURN and doubt.no(no["value"])
    other = Turn.model_validate({"commands": [{"do": "keep", "what": "moles"}]})
    doubt = DidYouMean((other, TURN))
    *readings, neither, _ = turns.options(SimpleNamespace(question=doubt))
    assert [doubt.answer(one["value"]) for one in readings] == [other, TURN]
    assert readings[0]["label"] == "Keep the moles"
    assert doubt.answer(neither["value"]) is None and doubt.no(neither["value"])
    assert turns.options(SimpleNamespace(question=None)) == []


def test_answers_can_be_chosen_only_until_something_else_is_said(visit):
    visit.look.freckle("Which face?")["options"] = [{"label": "Face 1", "value": "1"}]
    turns.begin(visit, doing("undo"))
    assert not any("options" in message for message in visit.look.said)
