"""Endpoints for programs: each is one call of what the command line does, with nothing to open.

Used by gradio_client, by HTTP and, with `freckle ui --mcp`, by MCP. They stand in the same line
as the turns of the page. Their docstrings are what programs read.
"""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

import gradio as gr
from pydantic import ValidationError

from llm.commands import State
from ui import files, messages
from ui.remembered import describe
from ui.web.limits import KEPT_FOR, MAX_MESSAGE
from ui.web.sessions import with_ending
from ui.web.visitors import ANYBODY, Visitor
from vision.errors import FreckleError
from vision.vocabulary import KINDS, TONE_ATTRIBUTES

if TYPE_CHECKING:
    from agent import RetouchAgent
    from memory.preferences import Preference, Preferences, What
    from ui.web.folders import Folders

log = logging.getLogger(__name__)

PUBLIC = ("plan", "retouch", "detect", "preferences", "forget")
GUEST = "Nothing is remembered about guests: log in, or name a profile on a private page."
BROKEN = "Something went wrong on the server; its log has the details."
# The user of a request, which may name a profile; None for a guest.
Whose = Callable[[gr.Request, str], str | None]


class Endpoints:
    """What programs can ask for.

    Args:
        agent: answers; it holds models and memory.
        folders: where results lie until they are fetched.
        whose: the user of a request, None for a guest.
    """

    def __init__(self, agent: RetouchAgent, folders: Folders, whose: Whose) -> None:
        self._agent = agent
        self._folders = folders
        self._whose = whose

    def plan(self, message: str, state: dict | None = None) -> dict:
        """What a message would do, as commands. Needs no photo and changes nothing.

        Args:
            message: a wish in plain words, such as "soften the wrinkles but keep freckles".
            state: {"edits": [...], "kept": [...], "last": 0, "faces": 1}, or nothing at first.

        Returns:
            {"commands": [...]}, in the order of the message.
        """
        text = _words(message, "message")
        known = None if state is None else _state(state)
        return messages.understand(self._agent.parser, text, known).to_json()

    def retouch(
        self, photo: str | None, message: str, profile: str, request: gr.Request
    ) -> tuple[str, dict]:
        """Retouch one portrait. What is not asked for stays as it is, down to the pixel.

        Args:
            photo: the portrait: JPEG, PNG, WebP, TIFF or HEIC, up to 200 megapixels and
                500 MB. An upload, or an earlier result, serves once: it is deleted with this call.
            message: what to change, in plain words.
            profile: whose preferences apply, on a private page; with accounts it is the caller's.

        Returns:
            The result: a file of the same format, size and depth, there for 15 minutes.
            The report: edits with strengths and measured effect, what was kept, the reply.
        """
        place = _uploaded(photo)
        user = self._whose(request, profile)
        text = _words(message, "message")
        with _Work(self._folders, request, place) as work:
            source = work.named(self._agent.studio.load(place).format)
            name = work.result.name
            files.retouch_file(
                self._agent, source, text, user=user, out=work.result,
                report=work.folder / "report.json", recipe=None, mask=None, overwrite=False,
            )  # fmt: skip
            report = json.loads((work.folder / "report.json").read_text(encoding="utf-8"))
            (work.folder / "report.json").unlink()
        report["reply"] = report["reply"].replace(str(work.folder / name), name)
        return str(work.result), report

    def detect(
        self, photo: str | None, prompt: str, request: gr.Request
    ) -> tuple[str | None, dict]:
        """Where something is on each face, and how much of it.

        Args:
            photo: the portrait: JPEG, PNG, WebP, TIFF or HEIC, up to 200 megapixels and
                500 MB. An upload, or an earlier result, serves once: it is deleted with this call.
            prompt: a kind such as "wrinkles" or "freckles", or your own words.

        Returns:
            The mask: a greyscale PNG of the photo's size, white where it is, there for 15 minutes;
            none where nothing is found.
            The faces, from the left: box, share of the face ("found"), severity, shares by region.
        """
        place, words = _uploaded(photo), _words(prompt, "prompt")
        with _Work(self._folders, request, place) as work:
            mask = work.folder / "mask.png"
            found, anything = files.detect_in_file(
                self._agent, place, words, out=mask, as_json=True, overwrite=False
            )
        return str(mask) if anything else None, json.loads(found)

    def preferences(self, profile: str, request: gr.Request) -> dict:
        """What is remembered about you, and why.

        Args:
            profile: whose memory, on a private page; with accounts it is the caller's own.

        Returns:
            {"user", "paused", "preferences": [{"kind", "region", "reason", ...}], "lines"}.
        """
        user = self._user(request, profile)
        shown = self._memory.show(user)
        return {
            "user": user,
            "paused": self._memory.paused(user),
            "preferences": [_without_nothing(one) for one in shown],
            "lines": list(describe(user, shown)),
        }

    def forget(self, what: str, profile: str, request: gr.Request) -> dict:
        """Delete what is remembered about you, for good.

        Args:
            what: one kind such as "wrinkles", a tone such as "brightness", or "everything".
            profile: whose memory, on a private page; with accounts it is the caller's own.

        Returns:
            {"forgotten": how many observations were deleted}.
        """
        if what not in (*KINDS, *TONE_ATTRIBUTES, "everything"):
            raise FreckleError("Name a kind, such as “wrinkles”, or “everything”.")
        user = self._user(request, profile)
        return {"forgotten": self._memory.forget(user, cast("What", what))}

    @property
    def _memory(self) -> Preferences:
        return self._agent.memory

    def _user(self, request: gr.Request, profile: str) -> str:
        user = self._whose(request, profile)
        if user is None:
            raise FreckleError(GUEST)
        return user


def build(endpoints: Endpoints) -> None:
    """Add the endpoints to the page whose context this is called in; none of it is seen there."""
    line: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "models"}
    gr.api(_spoken(endpoints.plan), api_name="plan", **line)
    with gr.Column(visible=False):
        call = gr.Button()
        photo, profile = gr.File(label="photo"), gr.Textbox("", label="profile")
        words = gr.Textbox(label="message")
        prompt = gr.Textbox(label="prompt")
        what = gr.Textbox(label="what")  # no default: nobody forgets everything by saying nothing
        result, mask = gr.File(label="result"), gr.File(label="mask")
        report, faces = gr.JSON(label="report"), gr.JSON(label="faces")
        told = gr.JSON(label="preferences")
        gone = gr.JSON(label="forgotten")
    for function, given, answer, options in (
        (endpoints.retouch, [photo, words, profile], [result, report], line),
        (endpoints.detect, [photo, prompt], [mask, faces], line),
        (endpoints.preferences, [profile], told, {}),
        (endpoints.forget, [what, profile], gone, {}),
    ):
        name = function.__name__
        call.click(_spoken(function), given, answer, api_name=name, **options)


def shut_the_rest(page: gr.Blocks) -> None:
    """Every other event of the page is its own: no program lists or calls it by name."""
    for event in page.fns.values():
        if event.api_name not in PUBLIC:
            event.api_visibility = "private"


class _Work:
    """A folder for one request: it goes at once when the request fails, later when its result was
    fetched. What is raised in the `with` block names no place of this machine.

    Args:
        folders: of the server.
        request: whose.
        upload: the photo.
    """

    def __init__(self, folders: Folders, request: gr.Request, upload: Path) -> None:
        self._folders = folders
        self._upload = upload
        self.folder = folders.make(_visitor(request), KEPT_FOR)
        self._source: Path | None = None

    @property
    def result(self) -> Path:
        """Where the result of `named` goes."""
        from agent.session import default_output

        assert self._source is not None
        return default_output(self._source)

    def named(self, format: str) -> Path:
        """The photo in this folder, under an ending that says what it is."""
        self._source = self.folder / with_ending(self._upload.name, format)
        self._upload.rename(self._source)
        return self._source

    def __enter__(self) -> _Work:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._folders.drop(
            self._folders.root / self._upload.relative_to(self._folders.root).parts[0]
        )
        if error is None:
            if self._source is not None:
                self._source.unlink()
            return
        self._folders.drop(self.folder)
        if isinstance(error, FreckleError):
            places = (f"{self.folder}/", f"{self._upload.parent}/")
            line = functools.reduce(lambda said, place: said.replace(place, ""), places, str(error))
            raise type(error)(line) from error


def _spoken(function: Callable[..., Any]) -> Callable[..., Any]:
    """An endpoint whose failures are lines for whoever called."""

    @functools.wraps(function)
    def answer(*given: Any, **named: Any) -> Any:
        try:
            return function(*given, **named)
        except FreckleError as error:
            raise gr.Error(str(error), print_exception=False) from error
        except Exception:
            log.exception("the endpoint %s failed", function.__name__)
            raise gr.Error(BROKEN, print_exception=False) from None

    return answer


def _visitor(request: gr.Request) -> Visitor:
    assert request.request is not None
    return request.request.scope.get("state", {}).get("visitor", ANYBODY)


def _uploaded(photo: str | None) -> Path:
    if not photo:
        raise FreckleError("Give me a portrait: upload it and name the upload as “photo”.")
    return Path(photo)


def _words(text: object, name: str) -> str:
    if not isinstance(text, str) or not text.strip():
        raise FreckleError(f"Say something: “{name}” is empty or no text.")
    if len(text) > MAX_MESSAGE:
        raise FreckleError(f"“{name}” is too long: up to {MAX_MESSAGE} characters are read.")
    return text


def _state(given: object) -> State:
    try:
        return State.model_validate(given)
    except ValidationError as error:
        raise FreckleError(f"“state” does not fit: {messages.explain(error)}") from None


def _without_nothing(preference: Preference) -> dict[str, Any]:
    told = {**asdict(preference), "time": preference.time.isoformat(), "reason": preference.reason}
    return {name: value for name, value in told.items() if value is not None}
