"""Training of the detector and retoucher on painted faces.

One process, CPU or GPU, bf16 autocast. The schedule follows the wall clock rather than the step
count, because machines differ; a checkpoint holds weights, EMA, optimiser, random states and the
seconds spent, so a killed run goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from accelerate import Accelerator
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from training import losses
from training.imperfections.render import look, render
from training.painted import Batch, PaintedCrops, to_batch
from vision.detector import NetworkConfig
from vision.prompts import PHRASES, text_tower
from vision.retoucher import RetouchNetwork, blend
from vision.vocabulary import LEARNT_KINDS
from vision.weights_file import RETOUCH_FOLDER, load_network, save_network

RUN = Path("runs/vision")


@dataclass(frozen=True)
class VisionTraining:
    """Everything that decides a run; every field is used.

    Attributes:
        minutes: wall-clock budget of all sessions of the run together.
        variants: painted samples a face.
        rate: peak learning rate.
        crops: (side, how many) of each step in turn. Marks fill a 64-px crop best: such steps
            teach the detector alone; wider ones also teach the retoucher.
        polish: last share of the budget, in which the detector stands still and the retoucher
            learns to work with what the detector really finds.
        detection, dice, amplitude, change, gradient: weights of the losses.
    """

    minutes: float = 60
    variants: int = 2
    seed: int = 0
    rate: float = 1.2e-3
    crops: tuple[tuple[int, int], ...] = ((64, 48), (128, 14), (256, 4))
    polish: float = 0.25
    detection: float = 1.0
    dice: float = 1.0
    amplitude: float = 0.3
    change: float = 1.0
    gradient: float = 0.3
    network: NetworkConfig = field(default_factory=NetworkConfig)


class Phrasebook:
    """Embeddings of every phrase of every kind: pre-defined prompts and ways to say them."""

    def __init__(self, kinds: tuple[str, ...] = LEARNT_KINDS):
        phrases = [phrase for kind in kinds for phrase in PHRASES[kind]]
        embedded = iter(text_tower()(phrases))
        self.by_kind = [
            torch.from_numpy(np.stack([next(embedded) for _ in PHRASES[k]])) for k in kinds
        ]
        self.prompts = torch.stack([phrases[0] for phrases in self.by_kind])

    def draw(self, batch: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Prompts (B, K, text) and own_words (B, K): a quarter in other people's words."""
        prompts = self.prompts.expand(batch, -1, -1).clone()
        own_words = torch.rand(batch, len(self.by_kind), generator=rng) < 0.25
        for b, k in own_words.nonzero().tolist():
            choice = int(torch.randint(len(self.by_kind[k]), (1,), generator=rng))
            prompts[b, k] = self.by_kind[k][choice]
        return prompts, own_words


def step_losses(
    network: RetouchNetwork,
    batch: Batch,
    book: Phrasebook,
    rng: torch.Generator,
    retouch: bool = True,
    detect: bool = True,
    balance: float = 0.0,
) -> dict[str, Tensor]:
    """Losses of one batch, unweighted, by the names of `VisionTraining`'s fields.

    Those of the retoucher come only with `retouch`; those of the detector only with `detect`,
    without which it stands still. `balance`: see `losses.detection_loss`.
    """
    size = len(batch.photo)
    prompts, own_words = (t.to(batch.photo.device) for t in book.draw(size, rng))
    with torch.set_grad_enabled(detect):
        found = network.detect(batch.photo, batch.skin, batch.place, prompts, own_words, batch.tone)
    owners = found.owners
    amount = batch.change.abs().mean(dim=1, keepdim=True)
    terms = {
        "detection": losses.detection_loss(found.logits, batch.owners, batch.known, balance),
        "dice": losses.dice_loss(owners, batch.owners, batch.known),
        "amplitude": losses.amplitude_loss(found.amplitude, amount, batch.known),
    }
    if not detect:
        terms = {}
    if not retouch:
        return terms
    strengths = _strengths(batch, rng)
    # Half of the time by the true masks while the detector learns, then by its own alone.
    taught = (torch.rand(size, 1, 1, 1, generator=rng) < 0.5 * detect).to(batch.photo.device)
    # Ownership is taught by its own losses alone: a change that is not good yet would teach it to
    # close every gate (seen: 1,300 steps without a single mole).
    gating = torch.where(taught, batch.owners, owners.detach())
    wanted = (strengths > 0)[:, :, None, None]
    change = network.change(found, gating * wanted, prompts)
    made = blend(torch.zeros_like(change), gating, strengths, change) * batch.known
    share = (batch.shares * strengths[:, :, None, None]).sum(dim=1, keepdim=True)
    truth = share * batch.change * batch.known
    inside = ((truth.abs().mean(dim=1, keepdim=True)) / 0.02).clamp(max=1)
    terms["change"] = losses.change_loss(made, truth, inside)
    terms["gradient"] = losses.gradient_loss(made, truth)
    return terms


def _strengths(batch: Batch, rng: torch.Generator) -> Tensor:
    """(B, K) what is asked: most kinds that are there, some that are not, at all strengths."""
    present = batch.owners.amax(dim=(2, 3)).cpu() > 0.2
    asked = torch.rand(present.shape, generator=rng) < torch.where(present, 0.7, 0.25)
    strengths = torch.rand(present.shape, generator=rng).clamp(min=0.15)
    strengths = torch.where(torch.rand(present.shape, generator=rng) < 0.4, 1.0, strengths)
    return (strengths * asked).to(batch.photo.device)


def train(
    data: Path,
    run: Path,
    out: Path,
    options: VisionTraining | None = None,
    teacher: Path | None = None,
) -> Path:
    """Paint samples if needed, train until the budget is spent, write the weights.

    Args:
        data: folder with manifest.csv, landmarks.npz and the photos.
        run: folder of the painted samples, the log and the checkpoint; a later call resumes.
        out: folder for model.safetensors and config.json.
        teacher: weights of an earlier round: a fresh run starts from them, and what they find on
            the unpainted bases is left out of the loss (`render.look`). Its sizes and kinds
            replace those of `options`.

    Returns:
        The weights file.
    """
    options = options or VisionTraining()
    torch.manual_seed(options.seed)
    network, found = RetouchNetwork(options.network), None
    if teacher:
        network = load_network(teacher)[0].train()
        options = replace(options, network=network.config)
        weights = (teacher / "model.safetensors").read_bytes()
        found = run / f"found-{hashlib.sha256(weights).hexdigest()[:8]}"
    render(data, run / "painted", variants=options.variants, seed=options.seed)
    if teacher:
        look(data, found, teacher)
    accelerator = Accelerator(mixed_precision="bf16")
    book = Phrasebook(options.network.kinds)
    network = network.to(memory_format=torch.channels_last)
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(0.998), use_buffers=True)
    optimiser = torch.optim.AdamW(network.parameters(), lr=options.rate, weight_decay=0.01)
    state = _resume(run / "checkpoint.pt", network, average, optimiser)
    network, optimiser = accelerator.prepare(network, optimiser)
    average.to(accelerator.device)
    painted = run / "painted"
    sources = {
        shape: _crops(painted, *shape, options.seed + state["step"], found)
        for shape in options.crops
    }
    rng = torch.Generator().manual_seed(options.seed + state["step"])
    began, saved = time.monotonic() - state["seconds"], time.monotonic()
    while (spent := time.monotonic() - began) < options.minutes * 60:
        progress = spent / (options.minutes * 60)
        polishing = progress > 1 - options.polish
        shapes = [s for s in options.crops if s[0] > 64] if polishing else options.crops
        shape = shapes[state["step"] % len(shapes)]
        parts = next(sources[shape])
        rate = _rate(options.rate, progress, state["step"], options.polish)
        for group in optimiser.param_groups:
            group["lr"] = rate
        batch = to_batch({name: part.to(accelerator.device) for name, part in parts.items()})
        with accelerator.autocast():
            # Rare kinds first get as much say as broad ones, or they are never learnt; then the
            # shares are calibrated.
            balance = max(0.0, 1 - progress / 0.7)
            terms = step_losses(
                accelerator.unwrap_model(network),
                batch,
                book,
                rng,
                retouch=shape[0] > 64,
                detect=not polishing,
                balance=balance,
            )
        total = sum(getattr(options, name) * term for name, term in terms.items())
        optimiser.zero_grad()
        accelerator.backward(total)
        accelerator.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        average.update_parameters(accelerator.unwrap_model(network))
        state["step"] += 1
        _log(run / "log.jsonl", state["step"], spent, rate, terms)
        if time.monotonic() - saved > 180:
            saved, state["seconds"] = time.monotonic(), spent
            _checkpoint(
                run / "checkpoint.pt", accelerator.unwrap_model(network), average, optimiser, state
            )
            save_network(average.module, book.prompts, out)
    state["seconds"] = spent
    _checkpoint(run / "checkpoint.pt", accelerator.unwrap_model(network), average, optimiser, state)
    (run / "options.json").write_text(json.dumps(asdict(options), indent=1))
    return save_network(average.module, book.prompts, out)


def _crops(painted: Path, side: int, batch: int, seed: int, found: Path | None):
    a_sample = max(2, 512 // side)  # crops from one painted face: reading it costs more than a cut
    source = PaintedCrops(painted, side, seed, crops=a_sample, batch=batch, found=found)
    return iter(DataLoader(source, batch_size=None, num_workers=1, prefetch_factor=4))


def _rate(peak: float, progress: float, step: int, polish: float) -> float:
    """Warm up over 100 steps, then a cosine over each part of the budget: learning, polishing."""
    part = progress / (1 - polish) if progress < 1 - polish else (progress + polish - 1) / polish
    return peak * min(1.0, (step + 1) / 100) * (0.02 + 0.49 * (1 + math.cos(math.pi * part)))


def _log(file: Path, step: int, spent: float, rate: float, terms: dict[str, Tensor]) -> None:
    if step % 20 == 0:
        numbers = {name: round(term.item(), 5) for name, term in terms.items()}
        with file.open("a") as log:
            log.write(json.dumps({"step": step, "s": round(spent), "rate": rate, **numbers}) + "\n")


def _checkpoint(file: Path, network, average, optimiser, state: dict) -> None:
    part = file.with_suffix(".part")
    torch.save(
        {
            "network": network.state_dict(), "average": average.state_dict(),
            "optimiser": optimiser.state_dict(), "state": state,
        },
        part,
    )  # fmt: skip
    part.replace(file)


def _resume(file: Path, network, average, optimiser) -> dict:
    """State of an earlier session, loaded into the given objects, or of a fresh run."""
    if not file.exists():
        return {"step": 0, "seconds": 0.0}
    stored = torch.load(file, map_location="cpu", weights_only=True)
    network.load_state_dict(stored["network"])
    average.load_state_dict(stored["average"])
    optimiser.load_state_dict(stored["optimiser"])
    return stored["state"]


def main(
    data: Annotated[Path, typer.Option(help="folder with manifest.csv and landmarks.npz")],
    run: Annotated[Path, typer.Option(help="samples and checkpoint; resumed if there")] = RUN,
    out: Annotated[Path, typer.Option(help="where model.safetensors goes")] = RETOUCH_FOLDER,
    minutes: Annotated[float, typer.Option(help="wall clock of all sessions together")] = 60,
    variants: Annotated[int, typer.Option(help="painted samples a face")] = 2,
    teacher: Annotated[
        Path | None, typer.Option(help="weights of an earlier round to start and learn from")
    ] = None,
    seed: Annotated[int, typer.Option(help="of painting, crops and weights")] = 0,
    threads: Annotated[int, typer.Option(help="CPU threads")] = 2,
) -> None:
    """Train the detector and the retoucher on painted faces; a killed run goes on."""
    torch.set_num_threads(threads)
    options = VisionTraining(minutes=minutes, variants=variants, seed=seed)
    print(f"wrote {train(data, run, out, options, teacher)}")


if __name__ == "__main__":
    typer.run(main)
