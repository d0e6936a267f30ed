"""Taking it home: the result as the agent saves it, the recipe, the mask, the report.

`build(visits)` places the buttons and returns `Downloads`. The page adds `shown` to the outputs of
every event that opens a photo or changes what stands, and `show(visit)` to what that event returns.
Nothing is written then: a button writes its file when it is clicked, and again only after another
turn.

A click asks the server for the file of the present state and only then downloads it, so a button
holds no file while it rests: what it would hand out could be of an earlier state.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from agent import Session
from ui.files import to_json, to_png
from ui.outputs import write_file
from ui.web.sessions import Visit, Visits
from vision.errors import FreckleError

log = logging.getLogger(__name__)

NOTHING_YET = "Once something is done to your picture, you can take it home from here."
READY = "The picture comes in your file's own format, size and depth, with everything noted in it."
BROKEN = "That file could not be written; the server's log has the details."
# Hands the file to the browser and empties the button for the next click.
HAND_OUT = """(file) => {
  if (file && file.url) {
    const link = document.createElement("a");
    link.href = file.url;
    link.download = file.orig_name || "";
    document.body.appendChild(link);
    link.click();
    link.remove();
  }
  return null;
}"""


def save_result(session: Session, path: Path) -> None:
    """The result as `Session.save` writes it; whoever takes it home was content with it."""
    session.save(path, overwrite=True)


def save_recipe(session: Session, path: Path) -> None:
    """What makes the same pixels again (`freckle apply`)."""
    write_file(path, session.recipe().to_json().encode())


def save_mask(session: Session, path: Path) -> None:
    """A greyscale PNG of the photo's size, white where it was edited."""
    write_file(path, to_png(session.mask()))


def save_report(session: Session, path: Path) -> None:
    """The reports of all turns; a file that a reply names is named without its folder."""
    place = f"{path.parent.parent}/"
    turns = [turn.to_json() for turn in session.reports]
    for turn in turns:
        turn["reply"] = turn["reply"].replace(place, "")
    write_file(path, to_json({"turns": turns}))


@dataclass(frozen=True)
class Item:
    """One thing to take home: what its button says, its file's ending (None: the result's own),
    and what writes it."""

    label: str
    ending: str | None
    save: Callable[[Session, Path], None]


ITEMS = {
    "result": Item("Download the picture", None, save_result),
    "recipe": Item("Recipe", ".recipe.json", save_recipe),
    "mask": Item("Mask", ".mask.png", save_mask),
    "report": Item("Report", ".report.json", save_report),
}


def written(visit: Visit, name: str) -> Path:
    """The file of an item (a key of `ITEMS`) for the present state, written unless it is there.

    Every turn has a folder of its own: browsers cache by address, and a download that is under way
    is not disturbed.

    Raises:
        FreckleError: nothing was done yet, or the file cannot be written; names no folder.
    """
    item = ITEMS[name]
    with visit.lock:
        if not visit.session.reports:
            raise FreckleError(NOTHING_YET)
        folder = visit.folder / f"home-{len(visit.session.reports)}"
        path = folder / visit.name
        if item.ending is not None:
            path = path.with_name(path.stem + item.ending)
        if not path.exists():
            for old in visit.folder.glob("home-*"):
                if old != folder:
                    shutil.rmtree(old)
            folder.mkdir(mode=0o700, exist_ok=True)
            try:
                item.save(visit.session, path)
            except FreckleError as error:
                raise FreckleError(str(error).replace(f"{folder}/", "")) from None
        return path


@dataclass(frozen=True)
class Downloads:
    """What the page needs: the line and the buttons, and how they are now."""

    shown: list[Any]

    def show(self, visit: Visit) -> dict[Any, Any]:
        """Buttons that work where something was done to a photo."""
        line, *buttons = self.shown
        ready = visit.session.can_undo
        rest = {button: gr.DownloadButton(value=None, interactive=ready) for button in buttons}
        return {line: READY if ready else NOTHING_YET, **rest}


def build(visits: Visits) -> Downloads:
    """Place line and buttons, inside the page's blocks, and wire the clicks."""
    line = gr.Markdown(NOTHING_YET, elem_id="downloads-line")
    buttons = {}
    with gr.Row():
        for name, item in ITEMS.items():
            first = name == "result"
            buttons[name] = gr.DownloadButton(
                item.label, interactive=False, min_width=120,
                elem_id="download" if first else f"download-{name}",
                variant="primary" if first else "secondary", size="md", scale=2 if first else 1,
            )  # fmt: skip

    def click(name: str) -> Callable[[gr.Request], tuple[Any, Any]]:
        def clicked(request: gr.Request) -> tuple[Any, Any]:
            try:
                path = written(visits.get(request.session_hash or ""), name)
            except FreckleError as error:
                return None, str(error)
            except Exception:
                log.exception("a download could not be written")
                return None, BROKEN
            return str(path), READY

        return clicked

    for name, button in buttons.items():
        asked = button.click(
            click(name), None, [button, line], concurrency_id="files", concurrency_limit=4,
            api_name=f"download_{name}", api_visibility="private", show_progress="minimal",
        )  # fmt: skip
        asked.then(None, button, button, js=HAND_OUT)
    return Downloads([line, *buttons.values()])
