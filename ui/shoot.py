"""One photo of a batch: what has to be done, doing it, and what came of it.

`retouch_one` is all that an engine of `ui.engines` runs, in whatever process.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from agent import RetouchAgent
from agent.recipe import Made, Recipe, RecipeError
from agent.reply import stood_in
from agent.report import EditReport, ToneReport
from agent.words import listed, percent, place, plain
from memory.preferences import Again, Observation, Preferences, What
from ui.files import NoWish, retouch_photo
from ui.outputs import Outputs
from ui.verdict import verdict
from vision.errors import FreckleError, NothingToDo

if TYPE_CHECKING:
    from agent.report import Report
    from vision.settings import Settings

Result = Literal["retouched", "as before", "unchanged", "failed"]
_RESULTS: dict[int, Result] = {0: "retouched", 3: "unchanged"}
_STAND_IN = "embedded"  # reads requests where the model that was chosen fails


@dataclass(frozen=True)
class Order:
    """What is asked of every photo. `one_thread`: other photos are worked on beside it."""

    request: str
    user: str | None
    settings: Settings
    one_thread: bool = False
    overwrite: bool = False


@dataclass(frozen=True)
class Job:
    """One photo, where its result goes, and its name for people."""

    photo: Path
    out: Path
    name: str
    order: Order

    @property
    def recipe(self) -> Path:
        return self.out.with_name(f"{self.out.name}.recipe.json")


@dataclass(frozen=True)
class Outcome:
    """What came of a photo; `told` is what was changed, or why nothing was, and `code` the exit
    code that a call for this photo alone would have had."""

    name: str
    result: Result
    told: str = ""
    seconds: float = 0.0
    code: int = 0


class Recalled(Preferences):
    """A memory that is asked and never changed: whoever orders a batch has not seen a result."""

    def learn(
        self, user: str | None, observations: Iterable[Observation], again: Again | None = None
    ) -> int:
        return 0

    def forget(self, user: str, what: What = "everything") -> int:
        return 0


@lru_cache(maxsize=1)
def agent_of(settings: Settings, one_thread: bool) -> RetouchAgent:
    """The agent of this process."""
    if one_thread:
        import torch

        torch.set_num_threads(1)
    quiet = settings.model_copy(update={"keep_chats": False})  # a batch is no conversation
    return RetouchAgent.load(memory=Recalled.load(settings), settings=quiet)


def retouch_one(job: Job) -> Outcome:
    """Retouch a photo and write it with its recipe; never raises but to be stopped.

    Where there is nothing to change, no file is left at its place.
    """
    start = time.perf_counter()
    try:
        code, told = 0, _retouch(job)
    except Exception as error:
        code, told = verdict(error)
        told = " ".join(told.replace(str(job.photo), job.name).split())
    result = _RESULTS.get(code, "failed")
    return Outcome(job.name, result, told, time.perf_counter() - start, code)


def _retouch(job: Job) -> str:
    try:
        return _write(job)
    except NoWish:
        raise  # no reason to take anything away
    except NothingToDo as error:
        if earlier(job) is None:
            raise
        for left in (job.out, job.recipe):
            left.unlink(missing_ok=True)
        raise NothingToDo(f"{error} What an earlier request had left was taken away.") from None


def _write(job: Job) -> str:
    order = job.order
    _make_folder(job.out.parent)
    replace = _may_replace(job)
    with Outputs([job.photo], overwrite=replace) as outputs:
        # The recipe appears first: a photo without one would be a stranger to the next call.
        recipe, image = outputs.claim(job.recipe), outputs.claim(job.out)
        source = sha256(job.photo)
        agent = agent_of(order.settings, order.one_thread)
        session, reply, _ = retouch_photo(agent, job.photo, order.request, image, order.user)
        model = order.settings.model if reply.trouble is None else _STAND_IN
        made = _made(order, source, sha256(image), model)
        written = session.recipe().model_copy(update={"made": made})
        outputs.write(recipe, written.to_json().encode())
        # Somebody may have worked on the last result meanwhile. Where not, it goes first: killed
        # between the two renames, a batch would take it for a stranger beside the new recipe.
        if _may_replace(job) and not order.overwrite:
            job.out.unlink(missing_ok=True)
    told = in_short(reply.report)
    return told if reply.trouble is None else f"{told}; {stood_in(reply.trouble)}"


def _may_replace(job: Job) -> bool:
    """Whether what lies at the job's place may be replaced: a batch wrote it, or nothing is there,
    or the order says so.

    Raises:
        FreckleError: it may not.
    """
    ours = earlier(job) is not None
    if job.out.exists() and not (ours or job.order.overwrite):
        raise FreckleError(
            f"{job.out} was not written by a batch, or was changed since: "
            "add --overwrite to replace it, or name another folder"
        )
    return ours or job.order.overwrite


def earlier(job: Job) -> Recipe | None:
    """The recipe that a batch wrote for what lies at the job's place, or lay there; None where
    what lies there is anything else."""
    try:
        recipe = Recipe.read(job.recipe)
    except RecipeError:
        return None
    if recipe.made is None or (job.out.exists() and sha256(job.out) != recipe.made.result):
        return None
    return recipe


def is_finished(job: Job, recipe: Recipe, weights: dict[str, str]) -> bool:
    """Whether doing the job again would write what is there: nothing differs of the photo, of
    what is asked, or of what carries it out."""
    if not job.out.exists() or recipe.made is None or recipe.weights != weights:
        return False
    if (recipe.dtype or "float32") != job.order.settings.dtype:
        return False
    wanted = job.order.settings.model
    return recipe.made == _made(job.order, sha256(job.photo), recipe.made.result, wanted)


def in_short(report: Report) -> str:
    """What was changed in a few words: "wrinkles 49% weaker"."""
    return listed(_change(edit) for edit in report.edits)


def sha256(path: Path) -> str:
    """Of a file, in hex; raises `FreckleError` where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise FreckleError(f"{path} cannot be read: {error.strerror}") from error


def _made(order: Order, source: str, result: str, model: str) -> Made:
    return Made(
        freckle=metadata.version("freckle"),
        request=order.request,
        user=order.user,
        model=model,
        source=source,
        result=result,
    )


def _change(edit: EditReport | ToneReport) -> str:
    whose = f" of face {edit.who}" if edit.who is not None else ""
    if isinstance(edit, ToneReport):
        return f"{edit.what}{place(edit.what, edit.where, edit.side)}{whose} {edit.strength:+.0%}"
    spot = place(edit.what, edit.where, edit.side) + whose
    return f"{plain(edit.phrase or edit.what)}{spot} {percent(edit.reduction)} weaker"


def _make_folder(folder: Path) -> None:
    """Make a folder for results; raises `FreckleError` where a link there leads elsewhere."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FreckleError(f"cannot make the folder {folder}: {error.strerror}") from error
    if folder.resolve() != folder:
        raise FreckleError(f"{folder} is a link to another folder: name an OUT_DIR without it")
