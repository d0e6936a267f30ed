"""The chat page: a portrait, a conversation, before against after, what is found and done.

Everything a visitor sees comes from that visitor's own `Visit`; the page itself holds nothing.
Pictures on the page are previews, made smaller; what is downloaded is the file itself.

What a visitor does goes two steps: it is said in the conversation at once (no model is needed for
that), then it waits its turn in the queue that all visitors share.

Elements by their ids, for tests and style:
    #brand                      the heading
    #open, #camera, #example    open a photo (`#open input[type=file]`), photograph, the example
    #hero                       the first view, gone once there is a photo
    #slider                     before against after, in the tab `Before | after`
    #overlay                    the photo with what is found painted on it, in the tab `Found`
    #pointed                    below it: #spot-keep, #spot-remove, #face-1, #face-2, ...
    #found                      the panel; a row #found-KIND with #show-KIND (checkbox),
                                #strength-KIND (range, 0 to 100), #keep-KIND (switch)
    #steps                      the history; #step-0, #step-1, ... (buttons; the present one has
                                aria-current)
    #undo, #redo                buttons, also Ctrl+Z and Ctrl+Shift+Z
    #chat                       the conversation; answers to a question are `#chat button.option`
    #wishes                     example wishes, three buttons
    #message textarea           the message box; #send, and in its place while a turn runs: #stop
    #download                   the result as a file
"""

from __future__ import annotations

import getpass
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from agent.session import Reply, default_output
from llm.commands import Redo, Turn, Undo
from ui.web import findings, turns, views
from ui.web.overlay import Overlay
from ui.web.sessions import Visit, Visits
from ui.web.style import CSS, EVENTS, HERO, SCRIPT, WISHES, theme
from ui.web.turns import Act
from vision.errors import FreckleError

__all__ = ["CSS", "build", "theme"]

log = logging.getLogger(__name__)

PLACEHOLDER = "What bothers you?"
NO_TALK = "Tell me here what bothers you, in your own words."
OPENED = "Here it is. I am looking closely at it …"
LOST = "The upload did not arrive whole: please drop the file again."
RELOAD = "This page needs a browser session: please reload it."

# What an event shows, by component; what is not in it stays.
Shown = dict[Any, Any]


def build(visits: Visits) -> gr.Blocks:
    """The page, wired to the visits of one server."""
    with gr.Blocks(title="Freckle", analytics_enabled=False, fill_width=True) as page:
        Page(visits).wire(page)
    return page


class Page:
    """The components of the page, and what fills them. Made inside a `Blocks` context."""

    def __init__(self, visits: Visits) -> None:
        self.visits = visits
        self._head()
        with gr.Row(elem_id="room"):
            with gr.Column(elem_id="stage", min_width=0):
                self._stage()
            with gr.Column(elem_id="talk", min_width=0):
                self._talk()
            with gr.Column(elem_id="below", min_width=0, visible=False) as self.below:
                self._below()
        self.shown = [
            self.open, self.camera, self.hero, self.views, self.slider, self.overlay, self.pointed,
            self.below, self.found, self.steps, self.undo, self.redo, self.chat, self.wishes,
            self.message, self.send, self.stop, self.download,
        ]  # fmt: skip

    def _head(self) -> None:
        with gr.Row(elem_id="head"):
            gr.HTML("<h1 id='brand'>Freckle</h1>", elem_id="brand-box", apply_default_css=False)
            self.open = gr.UploadButton("Open a photo", elem_id="open", size="sm", scale=0)
            self.camera = gr.UploadButton("Take a photo", elem_id="camera", size="sm", scale=0)
            self.example = gr.Button("Example portrait", elem_id="example", size="sm", scale=0)
            self.undo = gr.Button("Undo", elem_id="undo", size="sm", scale=0, interactive=False)
            self.redo = gr.Button("Redo", elem_id="redo", size="sm", scale=0, interactive=False)

    def _stage(self) -> None:
        self.hero = gr.HTML(HERO, elem_id="hero", apply_default_css=False)
        with gr.Tabs(elem_id="views", visible=False) as self.views:
            with gr.Tab("Before | after", id="pair"):
                self.slider = gr.ImageSlider(
                    label="Before and after", show_label=False, type="filepath", format="png",
                    buttons=["fullscreen"], interactive=False, max_height=2000, elem_id="slider",
                )  # fmt: skip
            with gr.Tab("Found", id="found"):
                self.overlay = gr.Image(
                    label="What is found", show_label=False, type="filepath", format="png",
                    buttons=["fullscreen"], interactive=False, elem_id="overlay",
                    alt_text="The photo with what is found painted on it",
                )  # fmt: skip
                self.pointed = _panel("pointed")

    def _below(self) -> None:
        gr.HTML("<h2>Steps</h2>", apply_default_css=False)
        self.steps = _panel("steps")
        self.found = _panel("found")
        self.download = gr.DownloadButton(
            "Download the result", elem_id="download", interactive=False
        )

    def _talk(self) -> None:
        self.chat = gr.Chatbot(
            label="Conversation", show_label=False, height="100%", render_markdown=False,
            buttons=[], placeholder=NO_TALK, elem_id="chat", layout="bubble",
        )  # fmt: skip
        self.wishes = _panel("wishes", WISHES)
        with gr.Row(elem_id="say"):
            self.message = gr.Textbox(
                label="Your wish", show_label=False, placeholder=PLACEHOLDER, max_length=2000,
                lines=1, max_lines=5, elem_id="message", scale=5, container=False, autofocus=True,
            )  # fmt: skip
            self.send = gr.Button("Send", variant="primary", elem_id="send", scale=0, min_width=84)
            self.stop = gr.Button("Stop", elem_id="stop", scale=0, min_width=84, visible=False)

    # -- events ----------------------------------------------------------------------------------

    def wire(self, page: gr.Blocks) -> None:
        """Connect every control."""
        # One turn at a time: models use every core, and a queue is fairer than a slow crowd.
        model: dict[str, Any] = {
            "concurrency_limit": 1, "concurrency_id": "models", "show_progress": "minimal",
            "show_progress_on": self.chat,
        }  # fmt: skip
        quick: dict[str, Any] = {"queue": False, "show_progress": "hidden"}
        page.load(None, js=SCRIPT)
        page.unload(self._leave)
        for button in (self.open, self.camera):
            button.upload(self._open_upload, button, self.shown, **model)
        self.example.click(self._open_example, None, self.shown, **model)

        def turn(event: Callable[..., Any], begin: Callable[..., Shown], *inputs: Any) -> None:
            begun = event(begin, [self.chat, *inputs], self.shown, **quick)
            begun.then(self._turn, None, self.shown, **model)

        turn(self.message.submit, self._say, self.message)
        turn(self.send.click, self._say, self.message)
        turn(self.chat.option_select, self._choose)
        turn(self.undo.click, self._undo)
        turn(self.redo.click, self._redo)
        for panel in (self.found, self.pointed, self.steps):
            turn(panel.act, self._handle)
        self.stop.click(self._stop, None, self.shown, **quick)
        self.found.look(self._show, None, self.shown, **quick)
        self.overlay.select(self._point, self.chat, self.shown, **quick).then(
            self._turn, None, self.shown, **model
        )
        self.wishes.act(self._wish, None, self.message, **quick)

    def _open_upload(self, upload: str | None, request: gr.Request) -> Iterator[Shown]:
        yield from self._opening(lambda: self._take_upload(upload, request))

    def _open_example(self, request: gr.Request) -> Iterator[Shown]:
        yield from self._opening(lambda: self._take_example(request))

    def _opening(self, take: Callable[[], Visit]) -> Iterator[Shown]:
        """Show a photo at once, and what is found on it as soon as that is known."""
        try:
            visit = take()
            hello = visit.look.freckle(OPENED)
            yield self._fresh(visit)
            settled = self._settled(visit)
            hello["content"] = findings.greeting(visit.session)
            yield settled
        except FreckleError as error:
            yield self._taken(str(error))
        except Exception:
            log.exception("a photo could not be opened")
            yield self._taken(turns.BROKEN)

    def _take_upload(self, upload: str | None, request: gr.Request) -> Visit:
        try:
            path = Path(upload or "")
            data = path.read_bytes()
            path.unlink()
        except OSError:
            raise FreckleError(LOST) from None
        name = default_output(Path(path.name)).name
        return self.visits.open(_key(request), data, name, _user(request))

    def _take_example(self, request: gr.Request) -> Visit:
        from skimage import data

        name = "astronaut.retouched.png"
        return self.visits.open(_key(request), data.astronaut(), name, _user(request))

    def _leave(self, request: gr.Request) -> None:
        self.visits.close(_key(request))

    def _say(self, chat: views.Said, text: str, request: gr.Request) -> Shown:
        if not text.strip():
            return {self.message: text}
        return self._begin(chat, turns.said(text.strip()), request) | {self.message: ""}

    def _choose(self, chat: views.Said, event: gr.SelectData, request: gr.Request) -> Shown:
        if event.value == turns.ANOTHER_WAY:
            return {self.message: ""}
        return self._begin(chat, turns.said(event.value), request)

    def _undo(self, chat: views.Said, request: gr.Request) -> Shown:
        return self._begin(chat, _walk("undo", Undo()), request)

    def _redo(self, chat: views.Said, request: gr.Request) -> Shown:
        return self._begin(chat, _walk("redo", Redo()), request)

    def _handle(self, chat: views.Said, event: gr.EventData, request: gr.Request) -> Shown:
        """A control of a panel was used."""
        try:
            overlay = self.visits.get(_key(request)).look.overlay
            act = findings.act_of(event._data, overlay)
        except FreckleError as error:
            return {self.chat: [*chat, {"role": "assistant", "content": str(error)}]}
        return self._begin(chat, act, request)

    def _begin(self, chat: views.Said, act: Act, request: gr.Request) -> Shown:
        """Say an act in the conversation; it waits for `_turn`."""
        try:
            visit = self.visits.get(_key(request))
        except FreckleError as error:
            answer = {"role": "assistant", "content": str(error)}
            return {self.chat: [*chat, {"role": "user", "content": act.text}, answer]}
        turns.begin(visit, act)
        return self._busy(visit)

    def _turn(self, request: gr.Request) -> Iterator[Shown]:
        """Carry out what waits longest, telling each stage."""
        try:
            visit = self.visits.get(_key(request))
        except FreckleError:
            return  # `_begin` has told
        for reply in turns.take(visit):
            if not self._present(visit, request):
                return  # another photo was opened meanwhile
            yield self._busy(visit) if reply is None else self._pictures(visit, reply)
        if self._present(visit, request):
            yield self._settled(visit)

    def _present(self, visit: Visit, request: gr.Request) -> bool:
        try:
            return self.visits.get(_key(request)) is visit
        except FreckleError:
            return False

    def _stop(self, request: gr.Request) -> Shown:
        visit = self.visits.get(_key(request))
        turns.stop(visit)
        return {self.chat: visit.look.said, self.stop: gr.Button(interactive=False)}

    def _show(self, event: gr.EventData, request: gr.Request) -> Shown:
        """A kind is to be painted over the photo, or no longer."""
        visit = self.visits.get(_key(request))
        if visit.look.overlay is None:
            return {}
        visit.look.overlay.show(findings.kind_of(event._data), bool(event._data.get("value")))
        return self._painted(visit)

    def _point(self, chat: views.Said, event: gr.SelectData, request: gr.Request) -> Shown:
        """The overlay was clicked on: a mark is chosen, or another face."""
        visit = self.visits.get(_key(request))
        if visit.look.overlay is None:
            return {}
        face = visit.look.overlay.point(*event.index)
        if face is not None:
            return self._begin(chat, findings.look_at(face), request)
        return self._painted(visit)

    def _wish(self, event: gr.EventData) -> str:
        return str(event._data.get("wish", ""))

    # -- what is shown ---------------------------------------------------------------------------

    def _taken(self, text: str) -> Shown:
        """The upload is done with; a line in place of the conversation."""
        said = [{"role": "assistant", "content": text}]
        return {self.open: None, self.camera: None, self.chat: said}

    def _fresh(self, visit: Visit) -> Shown:
        """A photo that was just opened."""
        before = views.before(visit)
        return {
            self.open: None,
            self.camera: None,
            self.hero: gr.HTML(visible=False),
            self.views: gr.Tabs(visible=True, selected="pair"),
            self.below: gr.Column(visible=True),
            self.slider: (before, before),
            self.overlay: before,
            self.pointed: "",
            self.found: findings.LOOKING,
            self.steps: "",
            self.chat: visit.look.said,
            self.wishes: gr.HTML(visible=True),
            self.undo: gr.Button(interactive=False),
            self.redo: gr.Button(interactive=False),
            self.download: gr.DownloadButton(value=None, interactive=False),
        }

    def _busy(self, visit: Visit) -> Shown:
        return {
            self.chat: visit.look.said,
            self.send: gr.Button(visible=False),
            self.stop: gr.Button(visible=True, interactive=True),
            self.wishes: gr.HTML(visible=False),
        }

    def _pictures(self, visit: Visit, reply: Reply) -> Shown:
        """The pictures that a reply asks to look at."""
        if reply.view == "mask":
            after = views.edited(visit)
        elif reply.view == "before":
            after = views.before(visit)
        elif reply.changed or reply.view is not None:
            after = views.after(visit)
        else:
            return {self.chat: visit.look.said}
        return {self.chat: visit.look.said, self.slider: (views.before(visit), after)}

    def _settled(self, visit: Visit) -> Shown:
        """Everything beside the pictures, as it is when no turn runs."""
        session, idle = visit.session, not visit.look.waiting
        return self._painted(visit) | {
            self.chat: visit.look.said,
            self.steps: findings.steps(session),
            self.undo: gr.Button(interactive=session.can_undo),
            self.redo: gr.Button(interactive=session.can_redo),
            self.send: gr.Button(visible=idle),
            self.stop: gr.Button(visible=not idle),
        }

    def _painted(self, visit: Visit) -> Shown:
        """The overlay and the panel, which say what is found."""
        overlay, session = visit.look.overlay, visit.session
        if overlay is None:
            overlay = visit.look.overlay = Overlay(session)
        picture = overlay.repainted()
        return {
            self.overlay: gr.skip() if picture is None else views.preview(visit, picture),
            self.pointed: findings.pointed(overlay, session),
            self.found: findings.panel(session, overlay.shown),
        }


def _panel(name: str, html: str = "") -> gr.HTML:
    """A piece of HTML whose controls tell what they do."""
    return gr.HTML(html, elem_id=name, js_on_load=EVENTS, apply_default_css=False)


def _walk(text: str, command: Undo | Redo) -> Act:
    return Act(text, lambda session, watch: session.perform(Turn(commands=[command]), watch))


def _key(request: gr.Request) -> str:
    if request.session_hash is None:
        raise FreckleError(RELOAD)
    return request.session_hash


def _user(request: gr.Request) -> str:
    """Whose preferences apply: the one who logged in, or the owner of this machine's account."""
    return request.username or getpass.getuser()
