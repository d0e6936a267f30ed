"""`freckle demo`: the main job on a real portrait, with one turn of feedback."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from agent.report import ToneReport
from ui.files import to_json, to_png
from ui.outputs import Outputs
from vision.errors import FreckleError

if TYPE_CHECKING:
    from agent import RetouchAgent
    from agent.report import EditReport, Report

MESSAGES = ("soften the wrinkles but keep freckles", "a bit less around the mouth")


def run_demo(agent: RetouchAgent, folder: Path) -> None:
    """Retouch the astronaut of scikit-image and write before, after, mask and report."""
    from skimage import data

    if folder.exists() and not folder.is_dir():
        raise FreckleError(f"{folder} is in the way: the demo needs a folder of that name")
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise FreckleError(
            f"cannot make {folder.resolve()}: {error.strerror}; run it in a folder of your own"
        ) from error
    with Outputs((), overwrite=True) as outputs:
        names = ("before.png", "after.png", "mask.png", "report.json")
        before, after, mask, report = (outputs.claim(folder / name) for name in names)
        session = agent.open(data.astronaut(), ask=False)
        for message in MESSAGES:
            reply = session.say(message)
            print(f"you: {message}\nfreckle: {reply.text}\n{numbers(reply.report)}\n")
        agent.studio.save(session.photo, before, overwrite=False)
        session.save(after)
        outputs.write(mask, to_png(session.mask()))
        turns = [turn.to_json() for turn in session.reports]
        outputs.write(report, to_json({"turns": turns}))
    for name in names:
        print(folder / name)


def numbers(report: Report) -> str:
    """What a turn changed, a line for each edit and keep."""
    edits = [f"  {_line(edit)}" for edit in report.edits]
    kept = [f"  {one.what} kept: largest change {one.max_change}" for one in report.kept]
    return "\n".join([*edits, *kept, f"  outside: largest change {report.outside_max_change}"])


def _line(edit: EditReport | ToneReport) -> str:
    named = f"{edit.what} ({', '.join(edit.where)}) at {edit.strength:g}"
    if isinstance(edit, ToneReport):
        return f"{named}: {edit.before:.1f} -> {edit.after:.1f}"
    severity = f"severity {edit.severity_before:.3f} -> {edit.severity_after:.3f}"
    return f"{named}: on {edit.found:.1%} of the face, {severity}"
