"""`freckle batch`: one request for a whole folder of photos."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Literal, NamedTuple

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from agent.questions import DidYouMean, doubtful
from agent.studio import LocalStudio
from llm.parser import check_text
from ui.engines import require_ray, run_here, run_on_ray
from ui.messages import parse
from ui.shoot import Job, Order, Outcome, agent_of, earlier, is_finished
from vision.errors import FreckleError, NothingToDo
from vision.photo import ending_of, named_as_photo
from vision.settings import Settings

Engine = Literal["local", "ray"]
# Where no terminal has a width, no line of the summary is folded.
UNFOLDED = 10_000


class Found(NamedTuple):
    """What is in a folder: photos by their paths in it, folders that cannot be read and why, and
    how many other files of which ending."""

    photos: list[Path]
    closed: list[Outcome]
    others: Counter[str]


def run_batch(
    in_dir: Path,
    out_dir: Path,
    request: str,
    settings: Settings,
    *,
    user: str | None,
    workers: int | None,
    engine: Engine,
    overwrite: bool,
) -> None:
    """Retouch every photo of a folder that was not retouched so before, and print a summary.

    Raises:
        FreckleError: the call is wrong, or some photos failed; then the others are done.
        NothingToDo: nothing was changed in any photo.
        RuntimeError: some photos met an internal error; the others are done.
    """
    if engine == "ray":
        require_ray()
    source, target = check_folders(in_dir, out_dir)
    found = find_photos(source, target)
    if not found.photos and not found.closed:
        raise FreckleError(f"{in_dir} holds no photo (JPEG, PNG, WebP, TIFF or HEIC)")
    order = Order(request, user, settings, engine == "ray" or (workers or 1) > 1, overwrite)
    outs = _outs(source, found.photos)
    jobs = [Job(source / one, target / outs[one], _legible(one), order) for one in found.photos]
    with _progress() as bar:
        outcomes, todo = sort_out(jobs, bar)
    outcomes += found.closed
    if todo:
        check_order(order)
    try:
        with _progress() as bar, closing(start(engine, todo, workers)) as coming:
            task = bar.add_task("retouching", total=len(jobs), completed=len(jobs) - len(todo))
            for outcome in coming:
                outcomes.append(outcome)
                bar.advance(task)
    finally:  # stopped half-way, it tells what was done
        if outcomes:
            print_summary(outcomes, found.others)
    judge(outcomes)


def _outs(source: Path, photos: Sequence[Path]) -> dict[Path, Path]:
    """Where each photo's result goes, within the folder of results: at its own name, with the
    ending of its own format where its name has another's and no other photo has that name."""
    outs, taken = {}, set(photos)
    for photo in photos:
        try:
            honest = photo.with_suffix(ending_of(source / photo))
        except FreckleError:
            honest = photo  # it is told when its turn comes
        outs[photo] = photo if honest in taken else honest
        taken.add(honest)
    return outs


def check_folders(in_dir: Path, out_dir: Path) -> tuple[Path, Path]:
    """Both folders by their real paths, the second one made; raises `FreckleError` where results
    could come among the photos."""
    if not os.path.isdir(in_dir):  # unlike the path's own, it raises nothing
        there = os.path.exists(in_dir)
        why = "is no folder; for one photo there is `retouch`" if there else "is not there"
        raise FreckleError(f"{in_dir} {why}: name the folder of the photos")
    source, target = in_dir.resolve(), out_dir.resolve()
    if source.is_relative_to(target):
        same = "is the folder of the photos" if source == target else f"holds {in_dir}"
        raise FreckleError(f"{out_dir} {same}: name another folder for the results")
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FreckleError(f"cannot make the folder {out_dir}: {error.strerror}") from error
    return source, target


def find_photos(folder: Path, leave_out: Path) -> Found:
    """Everything in a folder and the folders in it, in order, but `leave_out` and what is hidden.

    Links to folders are not followed.
    """
    found = Found([], [], Counter())

    def closed(error: OSError) -> None:
        name = _legible(Path(error.filename).relative_to(folder))
        found.closed.append(Outcome(name, "failed", f"cannot be read: {error.strerror}", code=2))

    for here, folders, files in os.walk(folder, onerror=closed):
        folders[:] = sorted(
            name for name in folders if name[0] != "." and Path(here, name) != leave_out
        )
        for file in sorted(Path(here, name) for name in files if name[0] != "."):
            if named_as_photo(file):
                found.photos.append(file.relative_to(folder))
            else:
                found.others[file.suffix.lower() or "without ending"] += 1
    return found


def sort_out(jobs: Sequence[Job], bar: Progress) -> tuple[list[Outcome], list[Job]]:
    """Which jobs are over before they begin, and which are left."""
    outcomes, todo = [], []
    weights: dict[str, str] = {}
    for job in bar.track(jobs, description="looking"):
        try:
            recipe = earlier(job)
            if recipe is not None:
                weights = weights or LocalStudio().weights()
                if is_finished(job, recipe, weights):
                    outcomes.append(Outcome(job.name, "as before"))
                    continue
            todo.append(job)
        except FreckleError as error:
            outcomes.append(Outcome(job.name, "failed", str(error), code=2))
    return outcomes, todo


def check_order(order: Order) -> None:
    """Raise now what every photo would: of the request, the model, the memory.

    Raises:
        FreckleError: one of them is wrong.
        NothingToDo: the request is doubtful, and nobody is there to be asked.
    """
    if not order.request.strip():
        raise FreckleError("the request is empty: say what to change in the photos")
    check_text(order.request)
    agent = agent_of(order.settings, order.one_thread)
    agent.memory.recall(order.user)
    parsed = parse(agent.parser, order.request, None)
    if doubtful(parsed.turn, parsed.confidence):
        raise NothingToDo(f"{DidYouMean.of(parsed).text} No photo was touched.")


def start(
    engine: Engine, jobs: Sequence[Job], workers: int | None
) -> Generator[Outcome, None, None]:
    """Begin with the photos, unless there are none."""
    if jobs and engine == "ray":
        return run_on_ray(jobs, workers)
    return run_here(jobs, min(workers or 1, len(jobs) or 1))


def print_summary(outcomes: Sequence[Outcome], others: Counter[str]) -> None:
    """A row for each photo by its name, and what it comes to."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=UNFOLDED)
    table = Table("photo", "outcome", "what was changed, or why not", box=box.SIMPLE_HEAD)
    table.add_column("seconds", justify="right")
    for one in sorted(outcomes, key=lambda one: one.name):
        seconds = f"{one.seconds:.1f}" if one.seconds else ""
        table.add_row(Text(one.name), one.result, Text(one.told), seconds)
    counts = Counter(one.result for one in outcomes)
    total = ", ".join(f"{count} {result}" for result, count in counts.items())
    passed = ", ".join(f"{count} {ending}" for ending, count in sorted(others.items()))
    console.print(table)
    console.print(Text(total + (f"; other files passed over: {passed}" if passed else "")))


def judge(outcomes: Sequence[Outcome]) -> None:
    """Raise what the exit code says: see `run_batch`."""
    codes = Counter(one.code for one in outcomes)
    if codes[1]:
        raise RuntimeError(
            f"{codes[1]} of {len(outcomes)} photos met one: see the summary, and "
            "`freckle --debug retouch` with such a photo"
        )
    if codes[2]:
        raise FreckleError(f"{codes[2]} of {len(outcomes)} failed: see the summary for the reasons")
    if not codes[0]:
        raise NothingToDo("Nothing was changed in any photo: see the summary for the reasons.")


def _progress() -> Progress:
    """A bar on stderr, where that is a terminal."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=console, disable=not console.is_terminal, transient=True,
    )  # fmt: skip


def _legible(path: Path) -> str:
    """A path for people, whatever bytes its name has."""
    return path.as_posix().encode(errors="replace").decode()
