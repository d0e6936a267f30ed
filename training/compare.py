"""What each mechanism, loss and share of the data is worth: many short runs, one table.

Every variant trains on the same painted faces for the same time of the processor, so that what else
the machine does costs none of them anything; none is calibrated. From nothing, short runs rank
mechanisms by what they bring early, and do not say where each would end. From weights that know
them all (`--start`), they say how much of a mechanism the rest makes up for once it is gone; only
those can be asked so that leave the other weights a meaning.

Whatever is finished is kept with its numbers: a killed comparison goes on, and several calls may
share a folder, each with variants of its own.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from safetensors.torch import load_file, save_file

from training.baselines import BASELINES, BaselineLearner, Sight
from training.evaluate.removal import (
    Remover,
    Truth,
    freckle,
    held_out,
    measure_all,
    measure_kinds,
    stored,
)
from training.evaluate.vision import Distance, Report, comparison_table, perceptual, precisions
from training.imperfections.base import Base
from training.imperfections.render import render
from training.learner import Phrasebook, Teachers, VisionLearner
from training.loop import Learner, run
from training.options import LossWeights, VisionTraining
from training.painted import place_map
from training.retouch_clip import load_image_tower
from training.vision import grow, sources
from vision.detector import NetworkConfig
from vision.engine import RetouchEngine
from vision.errors import FreckleError
from vision.retoucher import RetouchNetwork
from vision.surroundings import skin_tone
from vision.vocabulary import NETWORK_KINDS
from vision.weights_file import load_network, network_config, save_network

MECHANISMS = {
    "without text prior": "text_prior",
    "without text-prompted detection": "prompted",
    "without instruction-driven fusion": "fusion",
    "without target-aware attention": "target_aware",
    "without blemish-aware attention": "blemish_aware",
    "without refiner": "refiner",
    "without prompt modulation": "prompt_modulation",
    "without clean-skin surroundings": "surroundings",
    "without colour freed from shading": "colour",
}
# Without these the weights of all else would mean nothing.
FROM_NOTHING = ("text_prior", "prompted")
ADDED = {
    "with adversarial loss": LossWeights(adversarial=0.02, judge=1.0, unpaired=0.01),
    "with component loss": LossWeights(comp=0.5),
    "with keep loss": LossWeights(keep=0.5),
    "with local loss": LossWeights(local=0.1),
}
BASELINE_FILE = "baseline.safetensors"
SHARES = (0.01, 0.05, 0.1, 0.2)
# A third of the pixels of a usual step: in a short run many steps bring more than large ones.
CROPS = ((64, 16), (128, 5), (256, 1))
OURS = "our network"


@dataclass(frozen=True)
class Variant:
    """One run: our network with these options, or a baseline."""

    name: str
    options: VisionTraining = field(default_factory=VisionTraining)
    baseline: str | None = None

    @property
    def folder(self) -> str:
        return self.name.replace(" ", "-").replace("%", "").replace(",", "")


def variants(minutes: float, started: bool = False) -> Iterator[Variant]:
    """Everything that is compared, ours first: from nothing, or `started` from weights."""
    ours = VisionTraining(minutes=minutes, crops=CROPS, last=True)
    if started:
        ours = replace(ours, rate=3e-4, joint=0.0)
    yield Variant(OURS, ours)
    if not started:
        yield Variant(f"{OURS}, another seed", replace(ours, seed=1))  # how much is chance
        yield from (Variant(name, ours, name) for name in BASELINES)
    for name, mechanism in MECHANISMS.items():
        if not (started and mechanism in FROM_NOTHING):
            yield Variant(name, replace(ours, network=NetworkConfig(**{mechanism: False})))
    yield from (Variant(name, replace(ours, losses=weights)) for name, weights in ADDED.items())
    if not started:
        spoken = NetworkConfig(language_state=True)
        yield Variant("with the language model's hidden state", replace(ours, network=spoken))
        for share in SHARES:
            yield Variant(f"{share:.0%} of the faces", replace(ours, share=share))


def train_variant(
    variant: Variant, painted: Path, folder: Path, clip: Path | None, start: Path | None
) -> Path:
    """Train one variant, or take what an earlier call trained; give the folder of its weights."""
    out, done = folder / variant.folder, folder / variant.folder / "done.json"
    options = variant.options
    told = json.loads(json.dumps({"start": _fingerprint(start), **asdict(options)}))
    if done.exists():
        if json.loads(done.read_text()) != told:
            raise FreckleError(
                f"{out} holds a run with other options; remove it or give another --run"
            )
        return out
    torch.manual_seed(options.seed)
    learner: Learner
    if variant.baseline:
        learner = BaselineLearner(BASELINES[variant.baseline](options.network))
    else:
        network, book = RetouchNetwork(options.network), Phrasebook(options.network)
        if start:
            grow(network, load_network(start)[0])
        teachers = Teachers(image_tower=load_image_tower(clip) if options.losses.local else None)
        learner = VisionLearner(options, network, book, teachers)

    def save(_: Learner) -> None:  # the last step's weights: a running average is for long runs
        if isinstance(learner, VisionLearner):
            save_network(learner.network, learner.book.prompts, out)
        else:
            state = {n: v.contiguous() for n, v in learner.network.state_dict().items()}
            save_file(state, out / BASELINE_FILE)

    run(learner, lambda begin: sources(options, painted, None, None, begin), options.schedule,
        out, save, clock=lambda: time.process_time() / torch.get_num_threads())  # fmt: skip
    done.write_text(json.dumps(told))
    return out


def _fingerprint(weights: Path | None) -> str | None:
    if weights is None:
        return None
    return hashlib.sha256((weights / "model.safetensors").read_bytes()).hexdigest()[:8]


def finished(folder: Path) -> dict[str, Remover]:
    """The variants of a run that are trained to their end, as removers by name.

    Raises:
        FreckleError: there are none.
    """
    removers = {
        variant.name: _trained(variant, folder / variant.folder)[0]
        for variant in variants(0)
        if (folder / variant.folder / "done.json").exists()
    }
    if not removers:
        raise FreckleError(f"{folder} holds no finished variant; run: freckle train compare")
    return removers


def _trained(variant: Variant, out: Path) -> tuple[Remover, RetouchEngine | None]:
    """A trained variant as a means of removal, and its engine if it can detect."""
    if not variant.baseline:
        engine = RetouchEngine(out)
        return freckle(engine), engine
    config = network_config(json.loads((out / "done.json").read_text())["network"])
    network = BASELINES[variant.baseline](config)
    network.load_state_dict(load_file(out / BASELINE_FILE))
    return _remover(network.eval()), None


def _remover(network: torch.nn.Module) -> Remover:
    """A baseline as a means of removal; it is given the skin and the teeth as its only bounds."""

    def remove(truth: Truth, base: Base, asked: tuple[str, ...]) -> np.ndarray:
        images = (truth.painted, base.skin[..., None], place_map().transpose(1, 2, 0))
        photo, skin, place = (torch.from_numpy(x).permute(2, 0, 1)[None] for x in images)
        strengths = torch.tensor([[float(kind in asked) for kind in NETWORK_KINDS]])
        with torch.inference_mode():
            sight = Sight(photo, skin, place, skin_tone(photo, skin))
            change = network(sight, strengths)["change"][0].permute(1, 2, 0).numpy()
        return stored(truth.painted + base.surfaces.both[..., None] * change)

    return remove


def measure(
    chosen: list[Variant], folder: Path, data: Path, faces: int, distance: Distance | None
) -> None:
    """Write the numbers of every variant that has none yet, as `Report` keeps them: kinds asked
    alone, with what is detected, and everything asked at once, an entry a face."""
    files = {v.name: folder / v.folder / _numbers_file(faces) for v in chosen}
    trained = {v.name: _trained(v, folder / v.folder) for v in chosen if not files[v.name].exists()}
    report = Report()
    for base, truth in held_out(data, faces) if trained else ():
        for name, (remove, engine) in trained.items():
            kinds = measure_kinds(truth, base, remove)
            for kind, detected in (precisions(truth, base, engine) if engine else {}).items():
                if kind in kinds:
                    kinds[kind] |= detected
            report.alone[name].append(kinds)
            if truth.marks.any():
                report.together[name].append(measure_all(truth, base, remove, distance))
    for name in trained:
        numbers = {"alone": report.alone[name], "together": report.together[name]}
        files[name].write_text(json.dumps(numbers))


def _numbers_file(faces: int) -> str:
    return f"numbers-{faces}.json"


def table(folder: Path, faces: int, started: bool) -> str:
    """Every variant of the folder that has been measured, a row each."""
    report = Report()
    for variant in variants(0, started):
        file = folder / variant.folder / _numbers_file(faces)
        if file.exists():
            numbers = json.loads(file.read_text())
            report.alone[variant.name] = numbers["alone"]
            report.together[variant.name] = numbers["together"]
    return comparison_table(report, detection=True)


def choose(every: list[Variant], only: list[str], clip: Path | None) -> list[Variant]:
    """Those named, or all that can be trained.

    Raises:
        FreckleError: there is no such variant, or it needs a tower that was not given.
    """
    if unknown := set(only) - {variant.name for variant in every}:
        names = "; ".join(variant.name for variant in every)
        raise FreckleError(f"there is no variant {unknown.pop()} of such a run: choose of {names}")
    chosen = [variant for variant in every if not only or variant.name in only]
    if clip:
        return chosen
    if asked := [v.name for v in chosen if only and v.options.losses.local]:
        raise FreckleError(f"{asked[0]} needs RetouchCLIP; give --clip-tower FOLDER")
    return [variant for variant in chosen if not variant.options.losses.local]


def main(
    data: Annotated[Path, typer.Option(help="folder with manifest.csv and landmarks.npz")],
    folder: Annotated[Path, typer.Option("--run", help="of the runs; finished ones are kept")],
    minutes: Annotated[float, typer.Option(help="of processor time for each variant")] = 30,
    faces: Annotated[int, typer.Option(help="held-out faces to measure on; 0 only trains")] = 26,
    start: Annotated[
        Path | None, typer.Option(help="weights that all begin from, instead of from nothing")
    ] = None,
    clip_tower: Annotated[
        Path | None, typer.Option(help="RetouchCLIP's weights; without, no local loss")
    ] = None,
    features: Annotated[
        Path | None, typer.Option(help="SqueezeNet 1.1 features, for a perceptual distance")
    ] = None,
    only: Annotated[list[str] | None, typer.Option(help="variants to run, by name")] = None,
    threads: Annotated[int, typer.Option(help="CPU threads")] = 2,
) -> None:
    """Train ablations, baselines and limited-data runs alike, and print one table."""
    torch.set_num_threads(threads)
    chosen = choose(list(variants(minutes, bool(start))), only or [], clip_tower)
    painted = folder / "painted"
    render(data, painted, variants=VisionTraining().variants, seed=0)
    for variant in chosen:
        print(f"{variant.name} …", flush=True)
        train_variant(variant, painted, folder, clip_tower, start)
    if not faces:
        return
    measure(chosen, folder, data, faces, perceptual(features) if features else None)
    print(f"{minutes:g} minutes each, {faces} held-out faces", "", sep="\n")
    print(table(folder, faces, bool(start)))


if __name__ == "__main__":
    typer.run(main)
