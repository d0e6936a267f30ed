"""The components of the chat page and where they stand.

Elements by their ids, for tests and style:
    #brand                      the heading
    #open, #camera, #example    open a photo (the input is #open-file), photograph, the example
    #hero                       the first view, gone once there is a photo
    #slider                     before against after, in the tab `Before | after`
    #overlay                    the photo with what is found painted on it, in the tab `Found`
    #pointed                    below it: #spot-next, #spot-keep, #spot-remove, #face-1, ...
    #found                      the panel; a row #found-KIND with #show-KIND (checkbox),
                                #strength-KIND (range, 0 to 100), #keep-KIND (switch)
    #steps                      the history; #step-0, #step-1, ... (buttons; the present one has
                                aria-current)
    #undo, #redo                buttons, also Ctrl+Z and Ctrl+Shift+Z
    #chat                       the conversation; answers to a question are `#chat button.option`
    #wishes                     example wishes, three buttons
    #message textarea           the message box; #send, and in its place while a turn runs: #stop
    #download                   the result as a file; #download-recipe, -mask, -report
    #from-memory                what memory brought: a checkbox each, untick one to take it back
    #memory                     what is remembered (see memory_panel)
"""

from __future__ import annotations

from typing import Any

import gradio as gr

from ui.web import downloads, memory_panel
from ui.web.accounts import Profiles
from ui.web.sessions import Visits
from ui.web.style import EVENTS, HERO, REFUSALS, WISHES

PLACEHOLDER = "What bothers you?"
NO_TALK = "Tell me here what bothers you, in your own words."

# What an event shows, by component; what is not in it stays.
Shown = dict[Any, Any]


class Layout:
    """The components of the page. Made inside a `Blocks` context.

    Attributes:
        shown: the components that events of the conversation write to.
        tab: the key of this tab, for when it is loaded anew.
        pressed: the id of the button that a click on the overlay stands for, if any.
    """

    def __init__(self, visits: Visits, profiles: Profiles) -> None:
        self.visits, self.profiles = visits, profiles
        self._head()
        with gr.Row(elem_id="room"):
            with gr.Column(elem_id="stage", min_width=0):
                self._stage()
            with gr.Column(elem_id="talk", min_width=0):
                self._talk()
            with gr.Column(elem_id="below", min_width=0, visible=False) as self.below:
                self._below()
        self.memory = memory_panel.build(visits, profiles)
        self.tab = gr.Textbox(visible=False)
        self.pressed = gr.Textbox(visible=False)
        self.shown = [
            self.open, self.camera, self.hero, self.views, self.slider, self.overlay, self.pointed,
            self.below, self.found, self.steps, self.undo, self.redo, self.chat, self.wishes,
            self.message, self.send, self.stop, self.brought.box, *self.home.shown,
        ]  # fmt: skip
        self._same: Shown = {self.below: gr.skip()}

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
        self.brought = memory_panel.build_proposals()
        self.home = downloads.build(self.visits)

    def _talk(self) -> None:
        self.chat = gr.Chatbot(
            label="Conversation", show_label=False, height="100%", render_markdown=False,
            buttons=[], placeholder=NO_TALK, elem_id="chat", layout="bubble",
        )  # fmt: skip
        self.wishes = _panel("wishes", WISHES)
        self.popups = gr.HTML("", elem_id="popups", js_on_load=REFUSALS, apply_default_css=False)
        with gr.Row(elem_id="say"):
            self.message = gr.Textbox(
                label="Your wish", show_label=False, placeholder=PLACEHOLDER, max_length=2000,
                lines=1, max_lines=5, elem_id="message", scale=5, container=False, autofocus=True,
            )  # fmt: skip
            self.send = gr.Button("Send", variant="primary", elem_id="send", scale=0, min_width=84)
            self.stop = gr.Button("Stop", elem_id="stop", scale=0, min_width=84, visible=False)


def _panel(name: str, html: str = "") -> gr.HTML:
    """A piece of HTML whose controls tell what they do."""
    return gr.HTML(html, elem_id=name, js_on_load=EVENTS, apply_default_css=False)
