"""One loop for everything that is trained on painted faces: bf16 where it is fast, one device or
many, resumable.

The schedule follows the wall clock, because machines differ, or a number of steps, which makes a
run that is not interrupted a function of its seed. A checkpoint holds weights, their running
average, optimiser and the time spent, so a run that was killed goes on where it was, with crops
drawn anew.
"""

from __future__ import annotations

import json
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from accelerate.utils import broadcast
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from training.optimisers import hidden, optimisers
from training.painted import Batch
from training.precision import bf16_is_fast

_SAVE_EVERY = 180  # seconds
_LOG_EVERY = 20  # steps


@dataclass(frozen=True)
class Schedule:
    """How long and how fast.

    Attributes:
        minutes: budget of all sessions of the run together, by the clock that `run` is given.
        steps: if given, the length of the run instead of `minutes`.
        rate: peak learning rate.
        seed: of crops, noise and prompts.
    """

    minutes: float
    steps: int | None
    rate: float
    seed: int

    def progress(self, step: int, spent: float) -> float:
        """0 at the start, 1 at the end."""
        done, whole = (step, self.steps) if self.steps else (spent, 60 * self.minutes)
        return done / whole if whole else 1.0

    def rate_at(self, progress: float, step: int) -> float:
        """Warm up over 100 steps, then a cosine down to a fiftieth."""
        cosine = 0.02 + 0.49 * (1 + math.cos(math.pi * min(progress, 1.0)))
        return self.rate * min(1.0, (step + 1) / 100) * cosine


@dataclass(frozen=True)
class Stage:
    """What one step teaches.

    Attributes:
        retouch: whether the retoucher learns, or the detector alone.
        balance: how much more rare kinds count (0..1).
        taught: share of the crops whose retoucher is given the true maps, not those found.
        joint: whether errors of the result teach the maps, too.
    """

    retouch: bool
    balance: float = 0.0
    taught: float = 0.5
    joint: bool = False


class Learner(nn.Module, ABC):
    """Whatever is trained: `forward` gives the unweighted losses of one batch by name.

    Attributes:
        weights: of the losses; a name that is missing is a mistake.
        rng: source of chance, set anew at every step like torch's own.
    """

    weights: Mapping[str, float]

    def __init__(self) -> None:
        super().__init__()
        self.rng = torch.Generator()

    @abstractmethod
    def forward(self, batch: Batch, stage: Stage) -> dict[str, Tensor]: ...

    def hidden(self) -> list[nn.Parameter]:
        """Weights that are moved by Muon (`training.optimisers`)."""
        return hidden(self)

    def total(self, terms: dict[str, Tensor]) -> Tensor:
        """The weighted sum of the losses."""
        return torch.stack([self.weights[name] * term for name, term in terms.items()]).sum()


Batches = Callable[[int, float, torch.device], tuple[Batch, Stage]]


def run(
    learner: Learner,
    batches: Callable[[int], Batches],
    schedule: Schedule,
    folder: Path,
    save: Callable[[Learner], None],
    clock: Callable[[], float] = time.monotonic,
) -> Learner:
    """Train until the schedule ends; a later call with the same folder goes on.

    Args:
        learner: what is trained.
        batches: given the step a session begins at, a function (step, progress, device) -> batch
            and stage.
        schedule: how long.
        folder: of checkpoint.pt, log.jsonl and TensorBoard's files.
        save: called with the averaged learner now and then, and at the end.
        clock: seconds, by which the schedule's minutes pass.

    Returns:
        The averaged learner.
    """
    folder.mkdir(parents=True, exist_ok=True)
    some_parts_rest = DistributedDataParallelKwargs(find_unused_parameters=True)
    accelerator = Accelerator(
        mixed_precision="bf16" if bf16_is_fast() else "no",
        log_with="tensorboard" if _has_tensorboard() else None,
        project_dir=folder,
        kwargs_handlers=[some_parts_rest],
    )
    accelerator.init_trackers("tensorboard")
    learner = learner.to(accelerator.device, memory_format=torch.channels_last)
    average = AveragedModel(learner, multi_avg_fn=get_ema_multi_avg_fn(0.998), use_buffers=True)
    movers = optimisers(learner, learner.hidden(), schedule.rate)
    state = _resume(folder / "checkpoint.pt", learner, average, movers)
    prepared, *movers = accelerator.prepare(learner, *movers)
    draw = batches(state["step"])
    seen: dict[str, list[Tensor]] = {}

    def keep() -> None:
        if accelerator.is_main_process:
            _checkpoint(folder / "checkpoint.pt", learner, average, movers, state)
            save(average.module)

    began, saved = clock() - state["seconds"], time.monotonic()
    while True:
        done = _agreed(accelerator, schedule.progress(state["step"], clock() - began))
        if done >= 1:
            break
        seed = hash((schedule.seed, state["step"], accelerator.process_index))
        learner.rng.manual_seed(seed)
        torch.manual_seed(seed)
        rate = schedule.rate_at(done, state["step"])
        for mover in movers:
            for group in mover.param_groups:
                group["lr"] = rate
        batch, stage = draw(state["step"], done, accelerator.device)
        with accelerator.autocast():
            terms = prepared(batch, stage)
        for mover in movers:
            mover.zero_grad()
        accelerator.backward(learner.total(terms))
        accelerator.clip_grad_norm_(learner.parameters(), 1.0)
        for mover in movers:
            mover.step()
        average.update_parameters(learner)
        state["step"] += 1
        state["seconds"] = clock() - began
        for name, term in terms.items():
            seen.setdefault(name, []).append(term.detach())
        if state["step"] % _LOG_EVERY == 0:
            if accelerator.is_main_process:
                _log(accelerator, folder / "log.jsonl", state, rate, seen)
            seen = {}
        if time.monotonic() - saved > _SAVE_EVERY:
            saved = time.monotonic()
            keep()
    keep()
    accelerator.end_training()
    return average.module


def _agreed(accelerator: Accelerator, progress: float) -> float:
    """The first process's progress: clocks differ, and no process may stop before the others."""
    if accelerator.num_processes == 1:
        return progress
    return float(broadcast(torch.tensor(progress, device=accelerator.device)))


def _has_tensorboard() -> bool:
    from accelerate.utils import is_tensorboard_available

    return is_tensorboard_available()


def _log(
    accelerator: Accelerator, file: Path, state: dict, rate: float, seen: dict[str, list[Tensor]]
) -> None:
    """Write down the mean of every loss over the steps since the last line."""
    numbers = {name: round(torch.stack(terms).mean().item(), 5) for name, terms in seen.items()}
    accelerator.log({"rate": rate, **numbers}, step=state["step"])
    line = {"step": state["step"], "s": round(state["seconds"]), "rate": rate, **numbers}
    with file.open("a") as log:
        log.write(json.dumps(line) + "\n")


def _checkpoint(
    file: Path, learner: Learner, average: AveragedModel, movers: Sequence[Optimizer], state: dict
) -> None:
    part = file.with_suffix(".part")
    torch.save(
        {
            "learner": learner.state_dict(), "average": average.state_dict(),
            "optimisers": [mover.state_dict() for mover in movers], "state": state,
        },
        part,
    )  # fmt: skip
    part.replace(file)


def _resume(
    file: Path, learner: Learner, average: AveragedModel, movers: Sequence[Optimizer]
) -> dict:
    """State of an earlier session, loaded into the given objects, or of a fresh run."""
    if not file.exists():
        return {"step": 0, "seconds": 0.0}
    stored = torch.load(file, map_location="cpu", weights_only=True)
    learner.load_state_dict(stored["learner"])
    average.load_state_dict(stored["average"])
    for mover, kept in zip(movers, stored["optimisers"], strict=True):
        mover.load_state_dict(kept)
    return stored["state"]
