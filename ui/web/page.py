"""The chat page: a portrait, a conversation, before against after, and the real file to keep.

Everything a visitor sees comes from that visitor's own `Visit`; the page itself holds nothing.
Pictures on the page are previews, made smaller; the download is the file as the agent saved it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image

from agent.session import Reply, default_output
from ui.web import downloads, memory_panel
from ui.web.accounts import Profiles
from ui.web.sessions import Visit, Visits
from vision.errors import FreckleError

log = logging.getLogger(__name__)

PREVIEW_SIDE = 1600
GREETING = (
    "Drop a portrait and tell me what bothers you, in your own words. "
    "What you do not name stays as it is, down to the pixel."
)
PLACEHOLDER = "soften the wrinkles but keep freckles · a bit less on the forehead · undo"
OPENED = "Here it is. What would you like me to do?"
LOST = "The upload did not arrive whole: please drop the file again."
BROKEN = (
    "Something went wrong on my side and nothing was changed; the server's log has the details. "
    "Please say it again, or open the photo anew."
)
SAVED = "Press “Download the picture” to get the file."
CSS = ".gradio-container {max-width: 1400px !important; margin: auto}"

Said = list[dict[str, Any]]
# What an event shows: the conversation, before and after.
Shown = tuple[Said, Any]


def theme() -> gr.themes.Base:
    """System fonts only: the page asks no other machine for anything."""
    return gr.themes.Soft(
        primary_hue="orange",
        neutral_hue="stone",
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    )


def build(visits: Visits, profiles: Profiles) -> gr.Blocks:
    """The page, wired to the visits of one server."""
    with gr.Blocks(title="Freckle", analytics_enabled=False, fill_width=True) as page:
        gr.Markdown(f"# Freckle\n{GREETING}")
        with gr.Row():
            with gr.Column(scale=3):
                slider = gr.ImageSlider(
                    label="Before | after",
                    type="filepath",
                    format="png",
                    buttons=["fullscreen"],
                    interactive=False,
                    max_height=720,
                )
                brought = memory_panel.build_proposals()
                home = downloads.build(visits)
            with gr.Column(scale=2):
                photo = gr.File(label="Your portrait", height=140)
                example = gr.Button("Try it on an example portrait", size="sm")
                chat = gr.Chatbot(
                    label="Conversation", height=380, render_markdown=False, buttons=[]
                )
                message = gr.Textbox(
                    label="Your wish", placeholder=PLACEHOLDER, submit_btn=True, max_length=2000
                )
                memory = memory_panel.build(visits, profiles)

        def open_upload(upload: str | None, profile: object, request: gr.Request) -> dict:
            def act() -> Shown:
                return _take_upload(visits, upload, profiles.user(request, profile), request)

            return shown([], act, request) | {photo: None}

        def open_example(profile: object, request: gr.Request) -> dict:
            def act() -> Shown:
                return _take_example(visits, profiles.user(request, profile), request)

            return shown([], act, request)

        def say(text: str, said: Said, request: gr.Request) -> dict:
            said = [*said, {"role": "user", "content": text}]

            def act() -> Shown:
                visit = visits.get(_key(request))
                return _turn(visit, lambda: visit.session.say(text), said)

            return shown(said, act, request) | {message: ""}

        def take_back(ticked: list[str], said: Said, request: gr.Request) -> dict:
            visit = visits.get(_key(request))
            one = memory_panel.unticked(visit.session, ticked)
            if one is None:
                return brought.show(visit.session)
            said = [*said, {"role": "user", "content": f"take back: {one.text}"}]
            act = lambda: _turn(visit, lambda: visit.session.perform(one.back), said)  # noqa: E731
            return shown(said, act, request)

        def shown(said: Said, act: Callable[[], Shown], request: gr.Request) -> dict:
            told, views = _guarded(said, act)
            try:
                visit = visits.get(_key(request))
            except FreckleError:
                return {chat: told, slider: views}
            beside = brought.show(visit.session) | home.show(visit)
            return {chat: told, slider: views} | beside

        def leave(request: gr.Request) -> None:
            visits.close(_key(request))

        seen = [chat, slider, brought.box, *home.shown]
        # One turn at a time: models use every core, and a queue is fairer than a slow crowd.
        one: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "models"}
        opening = [memory.profile]
        photo.upload(open_upload, [photo, *opening], [*seen, photo], api_name="open", **one)
        example.click(open_example, opening, seen, api_name="example", **one)
        turn = message.submit(say, [message, chat], [*seen, message], api_name="say", **one)
        turn.then(memory.show, memory.profile, memory.shown, api_visibility="private")
        brought.box.input(take_back, [brought.box, chat], seen, api_name="take_back", **one)
        page.unload(leave)
    return page


def _take_upload(
    visits: Visits, upload: str | None, user: str | None, request: gr.Request
) -> Shown:
    try:
        path = Path(upload or "")
        data = path.read_bytes()
        path.unlink()
    except OSError:
        raise FreckleError(LOST) from None
    name = default_output(Path(path.name)).name
    return _opened(visits.open(_key(request), data, name, user))


def _take_example(visits: Visits, user: str | None, request: gr.Request) -> Shown:
    from skimage import data

    name = "astronaut.retouched.png"
    return _opened(visits.open(_key(request), data.astronaut(), name, user))


def _opened(visit: Visit) -> Shown:
    before = _preview(visit, visit.session.photo.to_pil())
    return _reply([], OPENED), (before, before)


def _turn(visit: Visit, act: Callable[[], Reply], said: Said) -> Shown:
    with visit.lock:
        reply = act()
        answer = reply.text
        if reply.saved is not None:
            answer = f"{answer.replace(str(reply.saved), reply.saved.name)} {SAVED}"
        said = _reply(said, answer)
        if reply.view == "mask":
            return said, _pair(visit, _marked(visit))
        if not reply.changed and reply.view is None and reply.saved is None:
            return said, gr.skip()
        after = visit.session.photo.to_pil() if reply.view == "before" else reply.image
        return said, _pair(visit, after)


def _pair(visit: Visit, after: Image.Image) -> tuple[str, str]:
    return _preview(visit, visit.session.photo.to_pil()), _preview(visit, after)


def _marked(visit: Visit) -> Image.Image:
    """The photo with what was edited painted over in red."""
    photo = visit.session.photo.to_pil().convert("RGB")
    mask = Image.fromarray(visit.session.mask().astype(np.uint8) * 160)
    return Image.composite(Image.new("RGB", photo.size, (255, 40, 40)), photo, mask)


def _guarded(said: Said, event: Callable[[], Shown]) -> Shown:
    """Run an event; whatever goes wrong becomes a reply in the conversation."""
    try:
        return event()
    except FreckleError as error:
        return _reply(said, str(error)), gr.skip()
    except Exception:
        log.exception("an event of the chat page failed")
        return _reply(said, BROKEN), gr.skip()


def _reply(said: Said, text: str) -> Said:
    return [*said, {"role": "assistant", "content": text}]


def _preview(visit: Visit, image: Image.Image) -> str:
    """Write a smaller copy for the screen under a name that no browser has cached."""
    small = image.convert("RGB")
    small.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE), Image.Resampling.LANCZOS)
    visit.views += 1
    path = visit.folder / f"preview-{visit.views}.jpg"
    small.save(path, quality=95, subsampling=0)
    return str(path)


def _key(request: gr.Request) -> str:
    if request.session_hash is None:
        raise FreckleError("This page needs a browser session: please reload it.")
    return request.session_hash
