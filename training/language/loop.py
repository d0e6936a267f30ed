"""The loop that both parsers are tuned in: it follows a plan, writes a log, survives being killed.

A checkpoint holds what is trained, the optimizer, the steps and the seconds so far; a run that goes
on from one gives the result of an unbroken run.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor

from vision.errors import FreckleError


@dataclass(frozen=True)
class Plan:
    """How to train. `budget` in seconds (None: all steps); the rate falls to 0 in a line."""

    steps: int
    batch: int
    rate: float
    warmup: int
    checkpoint_every: float
    log_every: int
    seed: int = 1
    budget: float | None = None
    workers: int = 1

    def progress(self, step: int, seconds: float) -> float:
        """0 at the start, 1 at the end."""
        return max(step / self.steps, seconds / self.budget if self.budget else 0.0)

    def rate_at(self, step: int, progress: float) -> float:
        return self.rate * min(1.0, (step + 1) / self.warmup) * (1 - progress)


@dataclass(frozen=True)
class Trained:
    """What a checkpoint holds of a model.

    Attributes:
        weights: gives the tensors that are trained, by name.
        take: puts such tensors back.
        about: plain facts by which a folder's run is told from another one's.
    """

    weights: Callable[[], dict[str, Tensor]]
    take: Callable[[dict[str, Tensor]], Any]
    about: dict[str, Any]


@dataclass
class Run:
    """One run in a folder: `checkpoint.pt` (to go on) and `log.jsonl`."""

    folder: Path
    plan: Plan
    trained: Trained
    optimizer: Any
    step: int = 0
    spent: float = 0.0

    @property
    def file(self) -> Path:
        return self.folder / "checkpoint.pt"

    def resume(self) -> None:
        """Go on where the folder's run was, if there is one.

        Raises:
            FreckleError: it is a run of something else.
        """
        if not self.file.exists():
            return
        kept = torch.load(self.file, weights_only=True)
        for name, value in self.trained.about.items():
            if kept[name] != value:
                raise FreckleError(
                    f"{self.folder} holds a run with another {name} ({kept[name]}): name an empty "
                    "folder"
                )
        self.trained.take(kept["weights"])
        self.optimizer.load_state_dict(kept["optimizer"])
        self.step, self.spent = kept["step"], kept["spent"]

    def train(
        self,
        accelerator: Accelerator,
        model: torch.nn.Module,
        batches: Iterable[Any],
        loss_of: Callable[[torch.nn.Module, Any], Tensor],
    ) -> float:
        """Train until the plan ends, on batches that begin with the present step's; the last
        step's loss."""
        plan, before = self.plan, self.spent
        began = saved = time.monotonic()
        loss = torch.tensor(float("nan"))
        model.train()
        for batch in batches:
            self.spent = before + time.monotonic() - began
            progress = plan.progress(self.step, self.spent)
            if progress >= 1:
                break
            for group in self.optimizer.param_groups:
                group["lr"] = plan.rate_at(self.step, progress)
            torch.manual_seed(plan.seed * 1_000_003 + self.step)
            loss = loss_of(model, batch.to(accelerator.device))
            accelerator.backward(loss)
            accelerator.clip_grad_norm_(model.parameters(), 1.0)
            self.optimizer.step()
            self.optimizer.zero_grad()
            self.step += 1
            if self.step % plan.log_every == 0:
                self._log(step=self.step, loss=round(loss.item(), 4), seconds=round(self.spent))
            if time.monotonic() - saved > plan.checkpoint_every:
                saved = time.monotonic()
                self._save()
        self.spent = before + time.monotonic() - began
        self._save()
        return loss.item()

    def _save(self) -> None:
        part = self.file.with_suffix(".part")
        kept = {
            **self.trained.about,
            "weights": self.trained.weights(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "spent": self.spent,
        }
        torch.save(kept, part)
        os.replace(part, self.file)

    def _log(self, **values: float) -> None:
        with (self.folder / "log.jsonl").open("a") as log:
            log.write(json.dumps(values) + "\n")
