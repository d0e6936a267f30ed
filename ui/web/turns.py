"""Turns that are watched while they run: stages as they begin, a stop, errors as replies.

What a visitor does (a message, a slider, a click on a step) is an `Act`. It is said in the chat at
once and waits its turn, since models use every core; then it runs in a thread of its own and the
page hears of each stage.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.outcome import Reply
from agent.progress import Stage, Stopped, Watch
from agent.questions import DidYouMean, WhichFace
from vision.errors import FreckleError

if TYPE_CHECKING:
    from agent import Session
    from ui.web.sessions import Visit

log = logging.getLogger(__name__)

WAITING = "One moment …"
STAGES: dict[Stage, str] = {
    "reading": "Reading what you wrote …",
    "finding": "Looking closely at the photo …",
    "retouching": "Retouching …",
    "checking": "Checking the result …",
}
BROKEN = (
    "Something went wrong on my side; the server's log has the details. Please say it again, undo "
    "the last step, or open the photo anew."
)
SAVED = "“Download” under the picture gives you the file."
YES, NO, NEITHER = "Yes", "No", "None of these"
ANOTHER_WAY, EVERYONE = "Put it another way", "Everyone"


@dataclass(frozen=True)
class Act:
    """What a visitor asked for: how the chat words it, and what it does to the session.

    `run` gives the agent's reply, or a sentence where nothing was asked of the agent.
    """

    text: str
    run: Callable[[Session, Watch], Reply | str]


def said(text: str) -> Act:
    """A message in the visitor's own words."""
    return Act(text, lambda session, watch: session.say(text, watch))


def begin(visit: Visit, act: Act) -> None:
    """Say an act in the conversation and let it wait for its turn."""
    look = visit.look
    look.settle()
    look.user(act.text)
    look.waiting.append((act, look.freckle(WAITING)))


def stop(visit: Visit) -> None:
    """End the turn at hand at its next stage; what waits behind it never begins."""
    visit.look.stop.set()
    while visit.look.waiting:
        _, answer = visit.look.waiting.popleft()
        answer["content"] = str(Stopped())


def take(visit: Visit) -> Iterator[Reply | None]:
    """Carry out what waits longest.

    Yields whenever the conversation has changed: None, or at the end the agent's reply.
    """
    look = visit.look
    look.stop = threading.Event()
    try:
        act, answer = look.waiting.popleft()
    except IndexError:  # stopped
        return
    look.running = True
    given: list[Reply | str] = []

    def work(watch: Watch) -> None:
        with visit.lock:
            given.append(act.run(visit.session, watch))

    reply = None
    try:
        for stage in stream(work, look.stop):
            answer["content"] = STAGES[stage]
            yield None
        (outcome,) = given
        if isinstance(outcome, Reply):
            reply = outcome
            answer["options"] = options(visit.session)
        answer["content"] = outcome if isinstance(outcome, str) else wording(outcome)
    except GeneratorExit:
        answer["content"] = str(Stopped())
        raise
    except FreckleError as error:
        answer["content"] = str(error)
    except Exception:
        log.exception("a turn of the chat page failed")
        answer["content"] = BROKEN
    finally:
        look.running = False
    yield reply


def look_closely(visit: Visit) -> None:
    """Find what is on a photo that was just opened.

    Raises:
        Stopped: by whoever did not want to wait; the photo stays open.
    """
    look = visit.look
    look.stop = threading.Event()
    look.running = True

    def work(watch: Watch) -> None:
        with visit.lock:
            visit.session.meet(watch)

    try:
        for _ in stream(work, look.stop):
            pass
    finally:
        look.running = False


def stream(work: Callable[[Watch], None], stop: threading.Event) -> Iterator[Stage]:
    """Run `work` in a thread and tell each stage as it begins; what it raises is raised here.

    Once `stop` is set the next stage raises `Stopped` in the thread. Whoever does not listen to
    the end stops it, too.
    """
    told: queue.SimpleQueue[Stage | Exception | None] = queue.SimpleQueue()

    def watch(stage: Stage) -> None:
        if stop.is_set():
            raise Stopped
        told.put(stage)

    def run() -> None:
        try:
            work(watch)
        except Exception as error:
            told.put(error)
        else:
            told.put(None)

    threading.Thread(target=run, daemon=True).start()
    try:
        while (news := told.get()) is not None:
            if isinstance(news, Exception):
                raise news
            yield news
    finally:
        stop.set()


def wording(reply: Reply) -> str:
    """The reply's text without the place of a file on this machine."""
    if reply.saved is None:
        return reply.text
    return f"{reply.text.replace(str(reply.saved), reply.saved.name)} {SAVED}"


def options(session: Session) -> list[dict[str, str]]:
    """The answers to the question that is open, as the chat's buttons; empty without one."""
    match session.question:
        case WhichFace() as question:
            answers = [*(f"Face {face + 1}" for face in question.faces), EVERYONE]
        case DidYouMean(readings=(_,)):
            answers = [YES, NO, ANOTHER_WAY]
        case DidYouMean() as question:
            choices = (choice[0].upper() + choice[1:] for choice in question.choices)
            answers = [*choices, NEITHER, ANOTHER_WAY]
        case _:
            answers = []
    return [{"label": answer, "value": answer} for answer in answers]
