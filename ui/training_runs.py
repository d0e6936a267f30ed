"""`freckle train` and `freckle evaluate`: each command is the `main` of a module of `training`."""

from __future__ import annotations

import importlib
from typing import Any

import typer

PLAIN: dict[str, Any] = {"add_completion": False, "rich_markup_mode": None}
train = typer.Typer(help="The training runs behind the weight files.", **PLAIN)
evaluate = typer.Typer(help="The benchmarks.", **PLAIN)


def forward(group: typer.Typer, name: str, module: str, purpose: str) -> None:
    """Add a command whose arguments all go to the `main` of a module of `training`."""

    @group.command(
        name,
        help=f"{purpose} Arguments go to `python -m {module}`, whose --help lists them.",
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    )
    def command(context: typer.Context) -> None:
        tool = typer.Typer(**PLAIN)
        tool.command()(importlib.import_module(module).main)
        tool(context.args, prog_name=context.command_path, standalone_mode=False)


forward(train, "vision", "training.vision", "The detector and the retoucher.")
forward(train, "calibrate", "training.calibrate", "How wide each kind's gate opens.")
forward(train, "clip", "training.retouch_clip", "A teacher that knows words for imperfections.")
forward(train, "compare", "training.compare", "Ablations, baselines and shares of the data.")
forward(train, "curve", "training.curve", "The losses of a run, drawn over its steps.")
forward(train, "regions", "training.regions", "The dense landmarks.")
forward(train, "language", "training.language.tuning", "The language model.")
forward(evaluate, "vision", "training.evaluate.vision", "What is asked goes, the rest stays.")
forward(evaluate, "detection", "training.evaluate.detection", "Real photos, and other words.")
forward(evaluate, "places", "training.evaluate.places", "Words for places on a face.")
forward(evaluate, "native", "training.evaluate.native", "Skin's detail at the photo's own size.")
forward(evaluate, "rethinking", "training.evaluate.rethinking", "What is asked is reached.")
forward(evaluate, "regions", "training.evaluate.regions", "Dense landmarks against labels.")
forward(evaluate, "language", "training.evaluate.language", "Messages against commands.")
forward(evaluate, "memory", "training.evaluate.memory", "What memory spares its user.")
forward(evaluate, "agent", "training.evaluate.agent", "Whole conversations on real photos.")
forward(evaluate, "speed", "training.evaluate.speed", "Seconds and memory, by size and by faces.")
