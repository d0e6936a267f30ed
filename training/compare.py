"""What each mechanism, loss and share of the data is worth: many short runs, one table.

Every variant trains from nothing on the same painted faces for the same time, the baselines too;
none is calibrated. Finished variants are kept, so a killed comparison goes on. Short runs rank
mechanisms by what they bring early; they do not say where each would end.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from safetensors.torch import load_file, save_file

from training.baselines import BASELINES, BaselineLearner
from training.evaluate.removal import OTHERS, Remover, Truth, freckle, stored
from training.evaluate.vision import Report, comparison_table, evaluate
from training.imperfections.base import Base
from training.imperfections.render import render
from training.learner import Phrasebook, Teachers, VisionLearner
from training.loop import Learner, run
from training.options import LossWeights, VisionTraining
from training.retouch_clip import load_image_tower
from training.vision import sources
from vision.detector import NetworkConfig
from vision.engine import RetouchEngine
from vision.errors import FreckleError
from vision.retoucher import RetouchNetwork
from vision.vocabulary import NETWORK_KINDS
from vision.weights_file import network_config, save_network

MECHANISMS = {
    "without text prior": "text_prior",
    "without instruction-driven fusion": "fusion",
    "without text-prompted detection": "prompted",
    "without target-aware attention": "target_aware",
    "without blemish-aware attention": "blemish_aware",
    "without refiner": "refiner",
    "without prompt modulation": "prompt_modulation",
    "without clean-skin surroundings": "surroundings",
    "without colour freed from shading": "colour",
}
ADDED = {
    "with adversarial loss": LossWeights(adversarial=0.02, judge=1.0, unpaired=0.01),
    "with component loss": LossWeights(comp=0.5),
    "with keep loss": LossWeights(keep=0.5),
    "with local loss": LossWeights(local=0.1),
}
BASELINE_FILE = "baseline.safetensors"
SHARES = (0.01, 0.05, 0.1, 0.2)


@dataclass(frozen=True)
class Variant:
    """One run: our network with these options, or a baseline."""

    name: str
    options: VisionTraining = field(default_factory=VisionTraining)
    baseline: str | None = None

    @property
    def folder(self) -> str:
        return self.name.replace(" ", "-").replace("%", "").replace("'", "")


def variants(minutes: float, seed: int) -> Iterator[Variant]:
    """Everything that is compared, ours first."""
    ours = VisionTraining(minutes=minutes, seed=seed)
    yield Variant("our network", ours)
    yield from (Variant(name, ours, name) for name in BASELINES)
    for name, mechanism in MECHANISMS.items():
        yield Variant(name, replace(ours, network=NetworkConfig(**{mechanism: False})))
    spoken = NetworkConfig(language_state=True)
    yield Variant("with the language model's hidden state", replace(ours, network=spoken))
    yield from (Variant(name, replace(ours, losses=weights)) for name, weights in ADDED.items())
    yield from (
        Variant(f"{share:.0%} of the faces", replace(ours, share=share)) for share in SHARES
    )


def train_variant(variant: Variant, painted: Path, folder: Path, clip: Path | None) -> Remover:
    """Train one variant, or take what an earlier call trained; give it as a remover."""
    out, done = folder / variant.folder, folder / variant.folder / "done.json"
    options = variant.options
    torch.manual_seed(options.seed)
    learner: Learner
    if variant.baseline:
        learner = BaselineLearner(BASELINES[variant.baseline](options.network))

        def save(average: Learner) -> None:
            state = {n: v.contiguous() for n, v in average.network.state_dict().items()}
            save_file(state, out / BASELINE_FILE)
    else:
        book = Phrasebook(options.network)
        teachers = Teachers(image_tower=load_image_tower(clip) if options.losses.local else None)
        learner = VisionLearner(options, RetouchNetwork(options.network), book, teachers)

        def save(average: Learner) -> None:
            save_network(average.network, book.prompts, out)

    if done.exists() and json.loads(done.read_text()) != json.loads(json.dumps(asdict(options))):
        raise FreckleError(f"{out} holds a run with other options; remove it or give another --run")
    if not done.exists():
        run(learner, lambda begin: sources(options, painted, None, None, begin), options.schedule,
            out, save)  # fmt: skip
        done.write_text(json.dumps(asdict(options)))
    return _finished(variant, out)


def finished(folder: Path) -> dict[str, Remover]:
    """The variants of a run that are trained to their end, as removers by name.

    Raises:
        FreckleError: there are none.
    """
    removers = {
        variant.name: _finished(variant, folder / variant.folder)
        for variant in variants(0, 0)
        if (folder / variant.folder / "done.json").exists()
    }
    if not removers:
        raise FreckleError(f"{folder} holds no finished variant; run: freckle train compare")
    return removers


def _finished(variant: Variant, out: Path) -> Remover:
    if not variant.baseline:
        return freckle(RetouchEngine(out))
    config = network_config(json.loads((out / "done.json").read_text())["network"])
    network = BASELINES[variant.baseline](config)
    network.load_state_dict(load_file(out / BASELINE_FILE))
    return _remover(network.eval())


def _remover(network: torch.nn.Module) -> Remover:
    """A baseline as a means of removal; it is given the skin and the teeth as its only bounds."""

    def remove(truth: Truth, base: Base, asked: tuple[str, ...]) -> np.ndarray:
        photo = torch.from_numpy(truth.painted).permute(2, 0, 1)[None]
        strengths = torch.tensor([[float(kind in asked) for kind in NETWORK_KINDS]])
        with torch.inference_mode():
            change = network(photo, strengths)["change"][0].permute(1, 2, 0).numpy()
        return stored(truth.painted + base.surfaces.both[..., None] * change)

    return remove


def compare(
    data: Path, folder: Path, minutes: float, faces: int, clip: Path | None, only: list[str]
) -> Report:
    """Train every variant for `minutes` and measure all of them, and the shipped weights
    ("Freckle"), on the same held-out faces."""
    painted = folder / "painted"
    render(data, painted, variants=VisionTraining().variants, seed=0)
    every = list(variants(minutes, 0))
    if unknown := set(only) - {variant.name for variant in every}:
        names = ", ".join(variant.name for variant in every)
        raise FreckleError(f"there is no variant {unknown.pop()}: choose of {names}")
    chosen = [variant for variant in every if not only or variant.name in only]
    removers = {}
    for variant in chosen:
        if variant.options.losses.local and clip is None:
            continue
        print(f"{variant.name} …", flush=True)
        removers[variant.name] = train_variant(variant, painted, folder, clip)
    return evaluate(data, RetouchEngine(), faces, {"nothing": OTHERS["nothing"], **removers})


def main(
    data: Annotated[Path, typer.Option(help="folder with manifest.csv and landmarks.npz")],
    folder: Annotated[Path, typer.Option("--run", help="of the runs; finished ones are kept")],
    minutes: Annotated[float, typer.Option(help="of training for each variant")] = 30,
    faces: Annotated[int, typer.Option(help="held-out faces to measure on")] = 32,
    clip_tower: Annotated[
        Path | None, typer.Option(help="RetouchCLIP's weights; without, no local loss")
    ] = None,
    only: Annotated[list[str] | None, typer.Option(help="variants to run, by name")] = None,
    threads: Annotated[int, typer.Option(help="CPU threads")] = 2,
) -> None:
    """Train ablations, baselines and limited-data runs alike, and print one table."""
    torch.set_num_threads(threads)
    report = compare(data, folder, minutes, faces, clip_tower, only or [])
    print(f"{minutes:g} minutes each, {faces} held-out faces", comparison_table(report), sep="\n\n")


if __name__ == "__main__":
    typer.run(main)
