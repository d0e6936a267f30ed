"""What is remembered about whoever looks, why, and every way to change that.

`build(visits, profiles)` places the panel, which looks after itself; of the `MemoryPanel` that it
returns the page uses

- `profile`, as an input of every event that opens a photo: `profiles.user(request, profile)` says
  whose photo it is (`Profiles` decides whether the component counts at all);
- `show`, with `profile` as input and `shown` as outputs, after a turn, since turns teach;
- `forgotten`, an event after which what is kept on the open photo may be another.

`build_proposals()` places ticked boxes for what memory brought to the open photo; unticking one
takes it back. The page adds `box` to the outputs of its turns and `show(proposals)` to what they
return, and wires `box.input` to a turn of its own that performs the `back` of each of
`unticked(proposals, value of the box)`, so that it shows in the conversation like anything said.

The user always comes from `Profiles.user`, never from another component.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any, Final, cast

import gradio as gr

from agent.overview import Proposal
from agent.words import percent, place, plain
from memory.observation import Preference
from memory.preferences import MAX_NAME, Preferences, What
from memory.store import StoreError
from ui.files import to_json
from ui.web.accounts import Profiles
from ui.web.sessions import Visits
from vision.errors import FreckleError
from vision.vocabulary import KINDS, TONE_ATTRIBUTES

log = logging.getLogger(__name__)

MOST_IMPORTED = 5_000_000  # bytes
# BrowserState ships its secret with the page, so it hides nothing; one that changed with every
# start would make the browser forget. A name is no secret.
STORAGE = {"storage_key": "freckle-profile", "secret": "freckle-profile"}
EVERYTHING: Final = "everything"
ALL: Final = "*"  # all there is; "everything" alone is what is kept whole at some place
CALLED = {True: "Hello. That holds from your next photo on.", False: "You are a guest again."}
BROKEN = "That did not work; the server's log has the details."
STAYS = "Forgotten. What it brought to the open photo stays: untick it in the list there."
WHO = {
    "account": "You are {user}. This belongs to your account alone.",
    "name": "You are {user} on this machine.",
}
GUEST = {
    "account": "Log in to be remembered.",
    "name": "Give yourself a name to be remembered on this machine.",
    "nobody": "You are a guest here: nothing is remembered once you leave.",
}
# Hands text to the browser as a file; nothing of it is ever on the server's disk.
SAVE_TEXT = """(text) => {
  if (text) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], {type: "application/json"}));
    link.download = "freckle-memory.json";
    document.body.appendChild(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  }
  return "";
}"""


def lines(preferences: Sequence[Preference]) -> list[tuple[str, str]]:
    """What is remembered of each kind, in words with the reason, and the kind."""
    by_kind = groupby(sorted(preferences, key=lambda one: one.kind), key=lambda one: one.kind)
    return [("; ".join(line(one) for one in same), kind) for kind, same in by_kind]


def line(one: Preference) -> str:
    """One preference: "wrinkles on the forehead: 40%, because you asked for that on 3 May 2026"."""
    spot = place(one.kind, (one.region,), one.side) + (f" in {one.photos}" if one.framing else "")
    if one.polarity == "shift":
        wish = f"{one.amount:+.0%}"
    elif one.polarity == "keep":
        wish = "never touched"
    else:
        wish = percent(one.strength) if one.strength else "left alone"
    return f"{plain(one.phrase or one.kind)}{spot}: {wish}, because {one.reason}"


def unticked(shown: Sequence[Proposal], ticked: Sequence[str]) -> list[Proposal]:
    """The proposals whose boxes are not ticked; none where the boxes are those of another time."""
    known = {_told(one): one for one in shown}
    return [one for text, one in known.items() if text not in ticked and known.keys() >= {*ticked}]


def read_export(path: Path) -> object:
    """The JSON of an upload, which is deleted.

    Raises:
        FreckleError: it is too large or no JSON; names no folder.
    """
    try:
        data = path.read_bytes() if path.stat().st_size <= MOST_IMPORTED else None
        path.unlink()
    except OSError:
        raise FreckleError("The file did not arrive whole: please choose it again.") from None
    if data is None:
        raise FreckleError(f"The file is larger than {MOST_IMPORTED // 1_000_000} MB.")
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise FreckleError("The file is not JSON: choose one that Export gave you.") from None


@dataclass(frozen=True)
class Proposals:
    """Boxes for what memory brought to the open photo."""

    box: gr.CheckboxGroup

    def show(self, proposals: Sequence[Proposal]) -> dict[Any, Any]:
        """The box for these, to be merged into what an event returns."""
        told = [_told(one) for one in proposals]
        return {self.box: gr.CheckboxGroup(choices=told, value=told, visible=bool(told))}


def _told(one: Proposal) -> str:
    return f"{one.text}, because {one.reason}" if one.reason else one.text


def build_proposals() -> Proposals:
    """Place the boxes, inside the page's blocks."""
    return Proposals(
        gr.CheckboxGroup(
            label="From memory", info="I remember this of you. Untick it to take it back.",
            visible=False, interactive=True, elem_id="from-memory",
        )
    )  # fmt: skip


@dataclass(frozen=True)
class MemoryPanel:
    """What the page needs of the panel: see the module's text."""

    profile: gr.BrowserState
    shown: list[Any]
    show: Callable[..., dict[Any, Any]]
    forgotten: Any


def build(visits: Visits, profiles: Profiles) -> MemoryPanel:
    """Place the panel, inside the page's blocks, and wire it."""
    return _Panel(visits, profiles).wired()


class _Panel:
    """The components, and what their events do: each ends in a line that says what was done."""

    def __init__(self, visits: Visits, profiles: Profiles) -> None:
        self._visits, self._profiles, self._memory = visits, profiles, profiles.memory
        self.profile = gr.BrowserState({"name": ""}, **STORAGE)
        self.doomed = gr.State("")
        small: dict[str, Any] = {"size": "sm", "min_width": 90}
        with gr.Accordion("What I remember", open=False, elem_id="memory") as self.accordion:
            self.who = gr.HTML(elem_id="memory-who")
            self.name = gr.Textbox(
                label="Your name", placeholder="mia", max_length=MAX_NAME, submit_btn="Use it",
                visible=profiles.by == "name", elem_id="memory-name",
            )  # fmt: skip
            self.known = gr.Radio(
                label="Remembered", choices=[], visible=False, elem_id="memory-known"
            )
            with gr.Row():
                self.one = gr.Button("Forget this", elem_id="memory-forget", **small)
                self.all = gr.Button("Forget everything", elem_id="memory-forget-all", **small)
            with gr.Row():
                self.pause = gr.Button("Pause", elem_id="memory-pause", **small)
                self.export = gr.Button("Export", elem_id="memory-export", **small)
                self.import_ = gr.UploadButton(
                    "Import", file_types=[".json"], elem_id="memory-import", **small
                )
            with gr.Row(visible=False) as self.sure:
                self.question = gr.HTML()
                self.yes = gr.Button(
                    "Yes, forget it", variant="stop", elem_id="memory-yes", **small
                )
                self.no = gr.Button("No", elem_id="memory-no", **small)
            self.told = gr.HTML(elem_id="memory-told")
            self.exported = gr.Textbox(visible=False)
            if profiles.logs_in:
                every = "" if profiles.by == "account" else "?all_session=false"
                gr.HTML(f'<a id="logout" href="logout{every}">Log out</a>')
        self.shown = [
            self.who, self.known, self.one, self.all, self.pause, self.export,
            self.import_,
        ]  # fmt: skip

    def wired(self) -> MemoryPanel:
        quick: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        after = [*self.shown, self.told, self.sure]
        gr.on(None, self.view, self.profile, self.shown, api_name="memory", **quick)
        gr.on(None, self.called, self.profile, self.name, api_name=False, **quick)
        self.accordion.expand(self.view, self.profile, self.shown, api_name=False, **quick)
        self.name.submit(
            self.call, self.name, [self.profile, self.told], api_name="memory_name", **quick
        )
        for button, asked in ((self.one, self.ask), (self.all, self.ask_all)):
            button.click(
                asked, self.known, [self.doomed, self.sure, self.question, self.told],
                api_name=asked.__name__, **quick,
            )  # fmt: skip
        self.no.click(lambda: gr.Row(visible=False), None, self.sure, api_name=False, **quick)
        gone = self.yes.click(
            self.forget, [self.doomed, self.profile], after, api_name="memory_forget", **quick
        )
        forgotten = gone.then(
            self.forget_here, [self.doomed, self.profile], self.told,
            api_name="memory_forget_here", concurrency_limit=1, concurrency_id="models", **quick,
        )  # fmt: skip
        self.pause.click(self.turn, self.profile, after, api_name="memory_pause", **quick)
        self.export.click(
            self.write, self.profile, [self.exported, self.told], api_name="memory_export", **quick
        ).then(None, self.exported, self.exported, js=SAVE_TEXT)
        self.import_.upload(
            self.read, [self.import_, self.profile], [*after, self.import_],
            api_name="memory_import", **quick,
        )  # fmt: skip
        return MemoryPanel(self.profile, self.shown, self.view, forgotten)

    # -- what is shown ---------------------------------------------------------------------------

    def view(self, profile: object, request: gr.Request) -> dict[Any, Any]:
        """Who, what is remembered, and the buttons that make sense."""
        by = self._profiles.by
        try:
            user = self._profiles.user(request, profile)
        except FreckleError:
            user = None  # no name that `call` would have taken
        who = GUEST[by] if user is None else WHO[by].format(user=user)
        known, paused = [], False
        try:
            known = lines(self._memory.show(user)) if user is not None else []
            paused = self._memory.paused(user)
        except StoreError as error:
            user, who = None, f"{error}."
        if paused:
            who += " Your memory is paused: nothing is learnt or used."
        elif user is not None and not known:
            who += " Nothing is remembered yet."
        named, some = user is not None, bool(known)
        return {
            self.who: _note(who),
            self.known: gr.Radio(choices=known, value=None, visible=some),
            self.one: gr.Button(interactive=some),
            self.all: gr.Button(interactive=named),
            self.pause: gr.Button("Resume" if paused else "Pause", interactive=named),
            self.export: gr.Button(interactive=some),
            self.import_: gr.UploadButton(interactive=named),
        }

    def _done(self, profile: object, request: gr.Request, deed: Callable[[str], str]) -> dict:
        """Do something about the memory of whoever asks, and show what is left of it."""
        told = _guarded(lambda: deed(self._user(request, profile)))
        return self.view(profile, request) | {
            self.told: _note(told),
            self.sure: gr.Row(visible=False),
        }

    def _user(self, request: gr.Request, profile: object) -> str:
        user = self._profiles.user(request, profile)
        if user is None:
            raise FreckleError(GUEST[self._profiles.by])
        return user

    def called(self, profile: object) -> Any:
        """The name that the browser kept, in its box; what is typed there meanwhile stays."""
        name = profile.get("name") if isinstance(profile, dict) else None
        return name if self._profiles.by == "name" and name else gr.skip()

    # -- what is done ----------------------------------------------------------------------------

    def call(self, name: str, request: gr.Request) -> dict[Any, Any]:
        """Somebody names their profile, on a private page."""
        profile = {"name": (name or "").strip()}
        try:
            user = self._profiles.user(request, profile)
        except FreckleError as error:
            return {self.told: _note(str(error))}
        return {self.profile: profile, self.told: _note(CALLED[user is not None])}

    def ask(self, kind: str | None) -> dict[Any, Any]:
        """Whether all of the chosen kind shall go."""
        if not kind:
            return {self.told: _note("Choose a line first.")}
        about = "what is kept whole" if kind == EVERYTHING else plain(kind)
        return self._sure(kind, f"Forget all about {about}, for good?")

    def ask_all(self, _: str | None) -> dict[Any, Any]:
        """Whether everything shall go."""
        return self._sure(ALL, "Forget everything about you, for good?")

    def _sure(self, doomed: str, question: str) -> dict[Any, Any]:
        row = gr.Row(visible=True)
        return {self.doomed: doomed, self.sure: row, self.question: _note(question), self.told: ""}

    def forget(self, doomed: str, profile: object, request: gr.Request) -> dict[Any, Any]:
        """Forget what was asked about before, at once."""
        return self._done(profile, request, lambda user: _forget(self._memory, user, doomed))

    def forget_here(self, doomed: str, profile: object, request: gr.Request) -> Any:
        """What memory brought of it to the open photo goes with it; a line where that failed."""
        what = EVERYTHING if doomed == ALL else doomed
        if what not in (*KINDS, *TONE_ATTRIBUTES, EVERYTHING) or doomed == EVERYTHING:
            return gr.skip()
        try:
            visit = self._visits.get(request.session_hash or "")
            if visit.user is None or visit.user != self._profiles.user(request, profile):
                return gr.skip()
        except FreckleError:
            return gr.skip()  # no photo is open
        try:
            with visit.lock:
                visit.session.forget(cast("What", what))
        except Exception:
            log.exception("what was forgotten stays on the open photo")
            return _note(STAYS)
        return gr.skip()

    def turn(self, profile: object, request: gr.Request) -> dict[Any, Any]:
        """Pause or resume."""

        def switch(user: str) -> str:
            if self._memory.paused(user):
                self._memory.resume(user)
                return "From now on I learn and use it again."
            self._memory.pause(user)
            return "Paused. Nothing was deleted."

        return self._done(profile, request, switch)

    def write(self, profile: object, request: gr.Request) -> dict[Any, Any]:
        """All that is stored about whoever asks, as the text of a file."""
        text = ""

        def export(user: str) -> str:
            nonlocal text
            text = to_json(self._memory.export(user)).decode()
            return "Exported."

        told = _guarded(lambda: export(self._user(request, profile)))
        return {self.exported: text, self.told: _note(told)}

    def read(self, upload: str | None, profile: object, request: gr.Request) -> dict[Any, Any]:
        """Add what an export holds."""

        def add(user: str) -> str:
            count = self._memory.import_(user, read_export(Path(upload or "")))
            return f"Added {count} things that were not known." if count else "All of it was known."

        done = self._done(profile, request, add)
        return done | {self.import_: gr.UploadButton(value=None, interactive=True)}


def _forget(memory: Preferences, user: str, doomed: str) -> str:
    if doomed == ALL:
        paused = memory.paused(user)
        memory.forget(user)
        again = " Your pause, too: memory is in use again." if paused else ""
        return f"Everything about you is forgotten.{again}"
    if doomed == EVERYTHING:  # keeps of everything at some place, not all there is
        places = {one.place for one in memory.why(user, EVERYTHING) if one.kind == EVERYTHING}
        gone = sum(memory.forget_place(user, place) for place in places)
    elif doomed in (*KINDS, *TONE_ATTRIBUTES):
        gone = memory.forget(user, cast("What", doomed))
    else:
        raise FreckleError("Choose a line first.")
    return "That is forgotten." if gone else "There was nothing of that."


def _guarded(deed: Callable[[], str]) -> str:
    """What a deed tells, or one clear line on what went wrong."""
    try:
        return deed()
    except FreckleError as error:
        return str(error)
    except Exception:
        log.exception("an event of the memory panel failed")
        return BROKEN


def _note(text: str) -> str:
    return f'<p role="status">{escape(text)}</p>'
