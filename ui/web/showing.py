"""What the elements of the chat page show of one visit: its pictures, findings, steps and controls.

Each method gives the elements that change, with what they become.
"""

from __future__ import annotations

import gradio as gr

from agent.outcome import Reply
from ui.web import findings, views
from ui.web.layout import Layout, Shown
from ui.web.overlay import Overlay
from ui.web.sessions import Visit


class Showing(Layout):
    """The elements of the page, and what fills them."""

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
            **self.home.show(visit),
            **self.brought.show(()),
        }

    def _busy(self, visit: Visit) -> Shown:
        return {
            self.chat: visit.look.said,
            **self._ready(False),
            self.wishes: gr.HTML(visible=False),
        }

    def _ready(self, idle: bool) -> Shown:
        """Stop stands where Send does, while a turn runs or waits."""
        return {
            self.send: gr.Button(visible=idle),
            self.stop: gr.Button(visible=not idle, interactive=True),
        }

    def _walks(self, visit: Visit) -> Shown:
        """The ways through the history, as far as they lead."""
        return {
            self.undo: gr.Button(interactive=visit.session.can_undo),
            self.redo: gr.Button(interactive=visit.session.can_redo),
        }

    def _pictures(self, visit: Visit, reply: Reply) -> Shown:
        """The pictures that a reply asks to look at."""
        if reply.view == "mask":
            after = views.marked(visit, reply.shown)
        elif reply.view == "before":
            after = views.before(visit)
        elif reply.changed or reply.view is not None or visit.look.aside:
            after = views.after(visit)
        else:
            return {self.chat: visit.look.said}
        visit.look.aside = reply.view in ("mask", "before")
        return {self.chat: visit.look.said, self.slider: (views.before(visit), after)}

    def _settled(self, visit: Visit) -> Shown:
        """Everything beside the pictures, as it is when no turn runs."""
        session, idle = visit.session, not visit.look.waiting
        visit.look.brought = session.proposals()
        return self._painted(visit) | {
            self.chat: visit.look.said,
            self.steps: findings.steps(session),
            **self._walks(visit),
            **self._ready(idle),
            **self.home.show(visit),
            **self.brought.show(visit.look.brought),
        }

    def _painted(self, visit: Visit) -> Shown:
        """The overlay and the panel, which say what is found."""
        overlay, session = visit.look.overlay, visit.session
        if overlay is None:
            overlay = visit.look.overlay = Overlay(session)
            visit.look.said[0]["content"] = findings.greeting(session)
        picture = overlay.repainted()
        return {
            self.overlay: gr.skip()
            if picture is None
            else views.preview(visit, picture, "overlay"),
            self.pointed: findings.pointed(overlay, session),
            self.found: findings.panel(session, overlay.hidden),
        }
