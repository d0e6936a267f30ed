"""The chat page: a portrait, a conversation, before against after, what is found and done.

Everything a visitor sees comes from that visitor's own `Visit`; the page itself holds nothing.
Pictures on the page are previews, made smaller; what is downloaded is the file itself.

What a visitor does goes two steps: it is said in the conversation at once (no model is needed for
that), then it waits its turn in the queue that all visitors share. `layout` lists the elements,
`showing` fills them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from agent.overview import Proposal
from llm.commands import Redo, Turn, Undo
from ui.web import findings, memory_panel, turns, views
from ui.web.accounts import Profiles
from ui.web.layout import Shown
from ui.web.limits import FULL, MAX_MESSAGE, MAX_OF_ONE, MAX_WAITING
from ui.web.sessions import Visit, Visits
from ui.web.showing import Showing
from ui.web.style import CSS, KEEP_TAB, SCRIPT, TAB, theme
from ui.web.turns import Act
from vision.errors import FreckleError

__all__ = ["CSS", "build", "theme"]

log = logging.getLogger(__name__)

OPENED = "Here it is. I am looking closely at it …"
LOST = "The upload did not arrive whole: please drop the file again."
GONE = (
    "I no longer have this photo: the page was restarted, or nobody used it for long. Please open "
    "it again."
)
TOO_MUCH = (
    f"That is too much at once: I read up to {MAX_MESSAGE} characters, and keep up to {MAX_OF_ONE} "
    "wishes in line."
)
RELOAD = "This page needs a browser session: please reload it."


def build(visits: Visits, profiles: Profiles) -> gr.Blocks:
    """The page, wired to the visits of one server."""
    with gr.Blocks(title="Freckle", analytics_enabled=False, fill_width=True) as page:
        Page(visits, profiles).wire(page)
    return page


class Page(Showing):
    """What the components of the page do."""

    def wire(self, page: gr.Blocks) -> None:
        """Connect every control."""
        self.page = page
        # One turn at a time: models use every core, and a queue is fairer than a slow crowd.
        model: dict[str, Any] = {
            "concurrency_limit": 1, "concurrency_id": "models", "show_progress": "minimal",
            "show_progress_on": self.chat, "trigger_mode": "multiple", "api_visibility": "private",
        }  # fmt: skip
        quick: dict[str, Any] = {
            "queue": False, "show_progress": "hidden", "trigger_mode": "multiple",
            "api_visibility": "private",
        }  # fmt: skip
        page.load(None, js=SCRIPT, api_visibility="private")
        page.load(self._arrive, self.tab, [*self.shown, self.tab], js=TAB, **quick).then(
            None, self.tab, None, js=KEEP_TAB
        )
        page.unload(self._leave)
        for button in (self.open, self.camera):
            upload = [button, self.memory.profile]
            button.upload(self._open_upload, upload, self.shown, **model)
        self.example.click(self._open_example, self.memory.profile, self.shown, **model)

        def turn(event: Callable[..., Any], begin: Callable[..., Shown], *inputs: Any) -> None:
            begun = event(begin, [self.chat, *inputs], self.shown, **quick)
            done = begun.then(self._turn, None, self.shown, **model)
            done.then(self.memory.show, self.memory.profile, self.memory.shown, **quick)

        turn(self.message.submit, self._say, self.message)
        turn(self.send.click, self._say, self.message)
        turn(self.chat.option_select, self._choose)
        turn(self.undo.click, self._undo)
        turn(self.redo.click, self._redo)
        turn(self.brought.box.input, self._take_back, self.brought.box)
        self.memory.forgotten.then(self._look_again, None, self.shown, **quick)
        for panel in (self.found, self.pointed, self.steps):
            turn(panel.act, self._handle)
        self.stop.click(self._stop, None, self.shown, **quick)
        self.found.look(self._show, None, self.shown, **quick)
        self.pointed.look(self._next, None, self.shown, **quick)
        # Another face is chosen by its button, a mark without a turn of its own.
        self.overlay.select(self._point, None, [*self.shown, self.pressed], **quick).then(
            None, self.pressed, None, js="(id) => { document.getElementById(id)?.click(); }"
        )
        self.wishes.act(self._wish, None, self.message, **quick)
        self.popups.refused(self._tell, self.chat, self.shown, **quick)

    def _open_upload(
        self, upload: str | None, profile: object, request: gr.Request
    ) -> Iterator[Shown]:
        yield from self._opening(lambda: self._take_upload(upload, profile, request), request)

    def _open_example(self, profile: object, request: gr.Request) -> Iterator[Shown]:
        yield from self._opening(lambda: self._take_example(profile, request), request)

    def _opening(self, take: Callable[[], Visit], request: gr.Request) -> Iterator[Shown]:
        """Show a photo at once, and what is found on it as soon as that is known."""
        answer = None
        try:
            visit = take()
            answer = visit.look.freckle(OPENED)
            yield self._fresh(visit) | self._ready(False)
            turns.look_closely(visit)
            yield self._settled(visit)
        except FreckleError as error:
            yield self._refused(str(error), answer, request)
        except Exception:
            log.exception("a photo could not be opened")
            yield self._refused(turns.BROKEN, answer, request)

    def _take_upload(self, upload: str | None, profile: object, request: gr.Request) -> Visit:
        try:
            path = Path(upload or "")
            data = path.read_bytes()
            path.unlink()
        except OSError:
            raise FreckleError(LOST) from None
        # Whatever it is called: the visit gives it the ending of what it is.
        name = f"{path.stem}.retouched{path.suffix or '.jpg'}"
        user = self.profiles.user(request, profile)
        return self.visits.open(_key(request), data, name, user)

    def _take_example(self, profile: object, request: gr.Request) -> Visit:
        from skimage import data

        name = "astronaut.retouched.png"
        user = self.profiles.user(request, profile)
        return self.visits.open(_key(request), data.astronaut(), name, user)

    def _arrive(self, old: str, request: gr.Request) -> Shown:
        """The page was loaded, maybe anew, where `old` is the key that the tab had before."""
        key = {self.tab: _key(request)}
        visit = self.visits.move(old, _key(request)) if old else None
        if visit is None:
            return key
        turns.stop(visit)  # whoever asked for it did not hear the end
        shown = self._fresh(visit) | self._settled(visit) | key
        overlay = visit.look.overlay
        if overlay is not None:
            shown[self.overlay] = views.preview(visit, overlay.painted(), "overlay")
        shown[self.slider] = (views.before(visit), views.after(visit))
        return shown | {self.wishes: gr.HTML(visible=len(visit.look.said) == 1)}

    def _leave(self, request: gr.Request) -> None:
        self.visits.leave(_key(request))

    def _say(self, chat: views.Said, text: str, request: gr.Request) -> Shown:
        if not text.strip():
            return {self.message: text}
        return {self.message: ""} | self._begin(chat, turns.said(text.strip()), request)

    def _choose(self, chat: views.Said, event: gr.SelectData, request: gr.Request) -> Shown:
        if event.value == turns.ANOTHER_WAY:
            return self._same
        return self._begin(chat, turns.said(event.value), request)

    def _undo(self, chat: views.Said, request: gr.Request) -> Shown:
        return self._begin(chat, _walk("undo", Undo()), request)

    def _redo(self, chat: views.Said, request: gr.Request) -> Shown:
        return self._begin(chat, _walk("redo", Redo()), request)

    def _take_back(self, chat: views.Said, ticked: list[str], request: gr.Request) -> Shown:
        """Something that memory brought was unticked; what was before it may still be under way."""
        visit, shown = self._visit(request), self._same
        if visit is not None:
            look = visit.look
            for one in memory_panel.unticked(look.brought, ticked):
                look.brought = [other for other in look.brought if other is not one]
                shown = self._begin(chat, _take_back(one), request)
        return shown

    def _look_again(self, request: gr.Request) -> Shown:
        """Something outside of the conversation changed what stands."""
        visit = self._visit(request)
        return self._same if visit is None else self._settled(visit)

    def _handle(self, chat: views.Said, event: gr.EventData, request: gr.Request) -> Shown:
        """A control of a panel was used."""
        visit = self._visit(request)
        try:
            overlay = visit.look.overlay if visit is not None else None
            act = findings.act_of(event._data, overlay)
        except FreckleError as error:
            look = views.Look([*chat]) if visit is None else visit.look
            look.freckle(str(error))
            return {self.chat: look.said}
        return self._begin(chat, act, request)

    def _begin(self, chat: views.Said, act: Act, request: gr.Request) -> Shown:
        """Say an act in the conversation; it waits for `_turn`."""
        try:
            visit = self.visits.get(_key(request))
        except FreckleError as error:
            answer = {"role": "assistant", "content": GONE if chat else str(error)}
            return {self.chat: [*chat, {"role": "user", "content": act.text}, answer]}
        much = len(act.text) > MAX_MESSAGE or len(visit.look.waiting) >= MAX_OF_ONE
        if much or len(self.page._queue) >= MAX_WAITING:
            visit.look.freckle(TOO_MUCH if much else FULL)
            return {self.chat: visit.look.said, self.message: gr.skip()}
        turns.begin(visit, act)
        return self._busy(visit)

    def _turn(self, request: gr.Request) -> Iterator[Shown]:
        """Carry out all that waits by now, telling each stage: what had no turn of its own, because
        the line was full or the connection gone, is not left behind."""
        visit = self._visit(request)
        if visit is None:
            yield self._same  # `_begin` has told; without a yield gradio empties what is shown
            return
        try:
            for _ in range(len(visit.look.waiting)):
                for reply in turns.take(visit):
                    if not self.visits.holds(_key(request), visit):
                        yield self._same  # another photo was opened meanwhile
                        return
                    yield self._busy(visit) if reply is None else self._pictures(visit, reply)
            yield self._settled(visit)
        except Exception:
            if not self.visits.holds(_key(request), visit):
                log.info("a turn ended with its visit", exc_info=True)  # its files are gone
                yield self._same
                return
            log.exception("a turn of the chat page could not be shown")
            visit.look.freckle(turns.BROKEN)
            yield {self.chat: visit.look.said} | self._ready(True) | self._walks(visit)

    def _visit(self, request: gr.Request) -> Visit | None:
        """The visit of this browser tab, if it has one."""
        try:
            return self.visits.get(_key(request))
        except FreckleError:
            return None

    def _stop(self, request: gr.Request) -> Shown:
        visit = self._visit(request)
        if visit is None:
            return self._same
        if visit.look.just_asked:
            return self._same  # the second click of two on Send, where Stop has come to stand
        turns.stop(visit)
        ready = self._ready(True)
        if visit.look.running:  # it ends at its next stage
            ready = {self.stop: gr.Button(interactive=False)}
        return {self.chat: visit.look.said, **ready}

    def _show(self, event: gr.EventData, request: gr.Request) -> Shown:
        """A kind is to be painted over the photo, or no longer."""
        visit = self._visit(request)
        if visit is None or visit.look.overlay is None:
            return self._same
        visit.look.overlay.show(findings.kind_of(event._data), bool(event._data.get("value")))
        # A turn that runs has the session to itself, and paints at its end.
        return self._same if visit.look.running else self._painted(visit)

    def _point(self, event: gr.SelectData, request: gr.Request) -> Shown:
        """The overlay was clicked on: a mark is chosen, or another face."""
        visit = self._visit(request)
        if visit is None or visit.look.overlay is None or visit.look.running:
            return self._same
        face = visit.look.overlay.point(*event.index)
        pressed = "" if face is None else f"face-{face + 1}"
        return self._painted(visit) | {self.pressed: pressed}

    def _next(self, request: gr.Request) -> Shown:
        """The next mark is to be chosen, without pointing at it."""
        visit = self._visit(request)
        if visit is None or visit.look.overlay is None or visit.look.running:
            return self._same
        visit.look.overlay.step()
        return self._painted(visit)

    def _tell(self, chat: views.Said, event: gr.EventData, request: gr.Request) -> Shown:
        """A request of this page was refused before any event of it began."""
        visit = self._visit(request)
        look = views.Look([*chat]) if visit is None else visit.look
        look.freckle(str(event._data["text"])[:MAX_MESSAGE])
        return {self.chat: look.said}

    def _wish(self, event: gr.EventData) -> str:
        return str(event._data.get("wish", ""))

    def _refused(self, text: str, answer: views.Message | None, request: gr.Request) -> Shown:
        """A photo that was not opened, where the one before stays, or not looked at, where there is
        an `answer` already."""
        visit = self._visit(request)
        look = views.Look() if visit is None else visit.look
        if answer is None:
            look.freckle(text)
        else:
            answer["content"] = text
        ready = self._ready(not look.waiting)
        return {self.open: None, self.camera: None, self.chat: look.said, **ready}


def _walk(text: str, command: Undo | Redo) -> Act:
    return Act(text, lambda session, watch: session.perform(Turn(commands=[command]), watch))


def _take_back(one: Proposal) -> Act:
    return Act(f"take back: {one.text}", lambda session, watch: session.take_back(one, watch))


def _key(request: gr.Request) -> str:
    if request.session_hash is None:
        raise FreckleError(RELOAD)
    return request.session_hash
