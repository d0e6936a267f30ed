"""Training of the detector and retoucher on painted faces (and on pairs, if there are any): one
script for CPU, one GPU or many (`training.loop`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Annotated

import torch
import typer
from accelerate import PartialState
from torch.utils.data import DataLoader, IterableDataset

from training.imperfections.render import OWN, look, render
from training.learner import Phrasebook, Teachers, VisionLearner
from training.loop import Batches, Stage, run
from training.options import LossWeights, VisionTraining
from training.painted import Batch, PaintedCrops, to_batch, with_foreign
from training.pairs import PairCrops, align_pairs
from training.perceptual import Features
from training.retouch_clip import load_image_tower
from vision.detector import NetworkConfig
from vision.errors import FreckleError
from vision.prompts import text_tower
from vision.retoucher import RetouchNetwork
from vision.weights_file import load_network, save_network

RUN = Path("runs/vision")
_NEW_SAY = 0.02  # of a block that is grown into a network, in place of 0.3


def train(
    data: Path,
    folder: Path,
    out: Path,
    options: VisionTraining | None = None,
    teacher: Path | None = None,
    pairs: Path | None = None,
    teachers: Teachers | None = None,
) -> Path:
    """Paint samples if needed, train until the schedule ends, write the weights.

    Args:
        data: folder with manifest.csv, landmarks.npz and the photos.
        folder: of the painted samples, the log and the checkpoint; a later call resumes.
        out: folder for model.safetensors and config.json.
        options: everything that decides the run.
        teacher: weights of an earlier round: a fresh run starts from them (`grow`), and what they
            find on the unpainted bases is left out of the loss (`render.look`). A later call may
            name a later one.
        pairs: folder with before/ and after/ (`align_pairs`), an additional source.
        teachers: networks that some losses need.

    Returns:
        The weights file.
    """
    options = options or VisionTraining()
    torch.manual_seed(options.seed)
    network, found, aligned = RetouchNetwork(options.network), None, None
    if options.mix < 1 and not teacher:
        raise FreckleError("--mix needs weights to mix with; give --teacher FOLDER")
    if teacher:
        grow(network, load_network(teacher)[0])
        weights = (teacher / "model.safetensors").read_bytes()
        found = folder / f"found-{hashlib.sha256(weights).hexdigest()[:8]}"
    with PartialState().main_process_first():  # the others find it done
        painted, own = folder / "painted", options.own
        render(data, painted, variants=options.variants, seed=options.seed, own=own)
        if teacher:
            look(data, found, teacher, own=own)
        if pairs:
            aligned = folder / "pairs"
            print(align_pairs(pairs, aligned), flush=True)
    book = Phrasebook(options.network)
    learner = VisionLearner(options, network, book, teachers)
    _same_run(folder / "options.json", options)
    begun = _begun(folder / "begun.pt", network)

    def save(average: VisionLearner) -> None:
        written = RetouchNetwork(options.network)
        learnt = (learner if options.last else average).network.state_dict()
        written.load_state_dict(
            {name: value.to(learnt[name]).lerp(learnt[name], options.mix)
             for name, value in begun.items()}
        )  # fmt: skip
        save_network(written, book.prompts, out)

    def batches(step: int) -> Batches:
        return sources(options, painted, found, aligned, step)

    run(learner, batches, options.schedule, folder, save)
    return out / "model.safetensors"


def _begun(file: Path, network: RetouchNetwork) -> dict[str, torch.Tensor]:
    """The weights that a run began with, which a later teacher does not change."""
    if not file.exists():
        torch.save(network.state_dict(), file)
    return torch.load(file, weights_only=True)


def _same_run(file: Path, options: VisionTraining) -> None:
    """Write down what decides a run, or make sure that it goes on as it began.

    Raises:
        FreckleError: the folder is of a run with other options.
    """
    now = json.loads(json.dumps(asdict(options)))
    begun = json.loads(file.read_text()) if file.exists() else now
    for name, value in now.items():
        if name not in ("minutes", "steps", "mix", "last") and begun.get(name) != value:
            raise FreckleError(f"{file.parent} is a run with another {name}; give another --run")
    file.write_text(json.dumps(now, indent=1))


def sources(
    options: VisionTraining, painted: Path, found: Path | None, pairs: Path | None, begin: int
) -> Batches:
    """What each step of a session sees, from step `begin` on; `pairs` are aligned ones."""
    seed = options.seed + begin + 1_000_003 * PartialState().process_index
    crops = {
        shape: painted_crops(painted, *shape, seed, found, options.share, options.swapped)
        for shape in options.crops
    }
    rng = torch.Generator().manual_seed(seed)
    paired = _read_ahead(PairCrops(pairs, 128, 8, seed)) if pairs else None

    def draw(step: int, progress: float, device: torch.device) -> tuple[Batch, Stage]:
        joint, polishing = progress >= options.joint, progress > 1 - options.polish
        shapes = [s for s in options.crops if s[0] > 64] if joint else options.crops
        shape = shapes[step % len(shapes)]
        # Rare kinds first get as much say as broad ones, or they are never learnt; then the shares
        # are calibrated.
        balance = 0.0 if joint else 1 - progress / options.joint
        stage = Stage(shape[0] > 64, balance, 0.0 if polishing else 0.5, joint)
        if paired is not None and float(torch.rand(1, generator=rng)) < options.paired:
            return next(paired).to(device), replace(stage, retouch=True)
        parts = {name: part.to(device) for name, part in next(crops[shape]).items()}
        batch = to_batch(parts, rng if device.type == "cpu" else None)
        if shape[0] > 64:
            batch = with_foreign(batch, options.foreign, rng)
        return batch, stage

    return draw


def grow(network: RetouchNetwork, teacher: RetouchNetwork) -> None:
    """Copy an earlier round's weights into a network that may know more kinds or mechanisms, or
    fewer mechanisms, or be deeper; what is new stays as it was initialised, but for the say of new
    blocks, which is hardly any at first.

    Raises:
        FreckleError: the teacher's kinds are not the first of the network's, sizes differ, or it is
            the deeper one.
    """
    old, new = teacher.config, network.config
    sizes = ("widths", "features", "text", "tower", "blocks", "window", "heads")
    same = all(getattr(old, name) == getattr(new, name) for name in sizes)
    depths = (
        (*config.depths, *config.decoder_depths, config.refine_depth) for config in (old, new)
    )
    deeper = any(before > now for before, now in zip(*depths, strict=True))
    if old.kinds != new.kinds[: len(old.kinds)] or not same or deeper:
        raise FreckleError("the teacher has other kinds or sizes; train without --teacher")
    state = network.state_dict()
    with torch.no_grad():
        for name, value in teacher.state_dict().items():
            if name in state:
                both = tuple(
                    slice(min(pair)) for pair in zip(value.shape, state[name].shape, strict=True)
                )
                state[name][both] = value[both]
        for name in state.keys() - teacher.state_dict().keys():
            if name.endswith(".scale") and name.startswith(("detector.", "retoucher.refine.")):
                state[name].fill_(_NEW_SAY)
        network.detector.bias[len(old.kinds) :] = -3.0  # rare until shown otherwise
        known = teacher.detector.stem[1].in_channels
        network.detector.stem[1].weight[:, known:] = 0  # what it never saw says nothing yet


def painted_crops(
    painted: Path,
    side: int,
    batch: int,
    seed: int,
    found: Path | None = None,
    share: float = 1.0,
    swapped: float = 0.0,
) -> Iterator[dict[str, torch.Tensor]]:
    """Endless parts of painted crops (`to_batch`), read and cut by a process of its own."""
    a_sample = max(2, 512 // side)  # crops from one painted face: reading it costs more than a cut
    source = PaintedCrops(painted, side, seed, a_sample, batch, found, share, swapped)
    return _read_ahead(source)


def _read_ahead(source: IterableDataset) -> Iterator:
    """Its items, made by a process of its own."""
    return iter(DataLoader(source, batch_size=None, num_workers=1, prefetch_factor=4))


def main(
    data: Annotated[Path, typer.Option(help="folder with manifest.csv and landmarks.npz")],
    folder: Annotated[
        Path, typer.Option("--run", help="samples and checkpoint; resumed if there")
    ] = RUN,
    out: Annotated[
        Path | None, typer.Option(help="where model.safetensors goes; default: RUN/weights")
    ] = None,
    minutes: Annotated[float, typer.Option(help="wall clock of all sessions together")] = 60,
    steps: Annotated[int | None, typer.Option(help="length of the run, instead of minutes")] = None,
    variants: Annotated[int, typer.Option(help="painted samples a face")] = 2,
    own: Annotated[
        list[str] | None,
        typer.Option(help="part faces from this alone of what they have of their own"),
    ] = None,
    share: Annotated[float, typer.Option(min=0.001, max=1, help="of the faces to train on")] = 1.0,
    teacher: Annotated[
        Path | None, typer.Option(help="weights of an earlier round to start and learn from")
    ] = None,
    pairs: Annotated[Path | None, typer.Option(help="folder with before/ and after/")] = None,
    clip: Annotated[
        str, typer.Option(help="text tower: minilm, or NAME:WEIGHTS or a folder for open_clip")
    ] = "minilm",
    clip_tower: Annotated[
        Path | None, typer.Option(help="RetouchCLIP's weights, for the local loss")
    ] = None,
    features: Annotated[
        Path | None, typer.Option(help="SqueezeNet 1.1 features, for the perceptual loss")
    ] = None,
    weight: Annotated[list[str] | None, typer.Option(help="of a loss, NAME=VALUE")] = None,
    without: Annotated[list[str] | None, typer.Option(help="a mechanism to leave out")] = None,
    language_state: Annotated[
        bool, typer.Option(help="condition blocks on the language model's hidden state")
    ] = False,
    rate: Annotated[
        float, typer.Option(help="peak learning rate; gentler for a run with --teacher")
    ] = VisionTraining.rate,
    joint: Annotated[
        float,
        typer.Option(min=0, max=1, help="share of the run after which results teach the maps"),
    ] = VisionTraining.joint,
    mix: Annotated[
        float,
        typer.Option(min=0, max=1, help="share of this run in the weights, beside --teacher's"),
    ] = VisionTraining.mix,
    last: Annotated[
        bool, typer.Option(help="write the last step's weights, not their running average")
    ] = False,
    seed: Annotated[int, typer.Option(help="of painting, crops and weights")] = 0,
    threads: Annotated[int, typer.Option(help="CPU threads")] = 2,
) -> None:
    """Train the detector and the retoucher on painted faces; a killed run goes on."""
    torch.set_num_threads(threads)
    network = NetworkConfig(
        text=text_tower(clip).size, tower=clip, language_state=language_state,
        **_switched_off(without or []),
    )  # fmt: skip
    weights = _weights(weight or [])
    options = VisionTraining(
        minutes, steps, variants, _own(own or OWN), share, seed, rate,
        joint=joint, mix=mix, last=last, losses=LossWeights(**weights), network=network,
    )  # fmt: skip
    teachers = Teachers(
        Features(features) if features else None,
        load_image_tower(clip_tower) if clip_tower else None,
    )
    file = train(data, folder, out or folder / "weights", options, teacher, pairs, teachers)
    print(f"wrote {file}")


def _switched_off(names: list[str]) -> dict[str, bool]:
    """Mechanisms to leave out, as arguments of `NetworkConfig`.

    Raises:
        FreckleError: there is no such mechanism.
    """
    mechanisms = [field.name for field in fields(NetworkConfig) if field.default is True]
    for name in names:
        if name not in mechanisms:
            raise FreckleError(f"there is no mechanism {name}: choose of {', '.join(mechanisms)}")
    return dict.fromkeys(names, False)


def _own(kinds: Sequence[str]) -> tuple[str, ...]:
    """What faces are parted from, as `VisionTraining` has it.

    Raises:
        FreckleError: faces cannot be parted from that.
    """
    for kind in kinds:
        if kind not in OWN:
            raise FreckleError(f"faces are not parted from {kind}: choose of {', '.join(OWN)}")
    return tuple(kind for kind in OWN if kind in kinds)


def _weights(given: list[str]) -> dict[str, float]:
    """NAME=VALUE, as arguments of `LossWeights`.

    Raises:
        FreckleError: there is no such loss, or the value is no number.
    """
    names, values = [field.name for field in fields(LossWeights)], {}
    for item in given:
        name, _, value = item.partition("=")
        if name not in names:
            raise FreckleError(f"there is no loss {name}: choose of {', '.join(names)}")
        try:
            values[name] = float(value)
        except ValueError as error:
            raise FreckleError(f"{item}: give a number, as in {name}=0.5") from error
    return values


if __name__ == "__main__":
    typer.run(main)
