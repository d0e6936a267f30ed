"""Training of the command parser: LoRA on MiniLM and a decoder from scratch, on composed samples.

Notable: samples are made while training, by seed, so no data set is stored and none is seen twice.
A run may be killed at any time: `train` goes on from the checkpoint in its folder and gives the
result of an unbroken run (dropout is seeded by step). With a wall-clock budget the learning rate
falls with the time that is spent, so that a run ends annealed however fast the machine is.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
import typer
from accelerate import Accelerator
from peft import LoraConfig, get_peft_model
from safetensors.torch import load, save
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from llm.encoder import (
    ParserModel,
    Shape,
    Source,
    Sources,
    Training,
    collate_sources,
    encode_source,
)
from llm.grammar import PAD
from llm.words import Speller
from training.language import loop
from training.language.corpus.samples import lexicon, sample
from training.precision import bf16_is_fast
from vision.minilm import known_words, load_encoder, load_tokenizer, new_encoder

CHUNK = 32  # batches that are made, sorted by length and shuffled together


@dataclass(frozen=True)
class Plan(loop.Plan):
    """How to train; `lexicon` in samples that make it."""

    steps: int = 20_000
    batch: int = 32
    rate: float = 7e-4
    warmup: int = 200
    checkpoint_every: float = 60.0
    log_every: int = 50
    lexicon: int = 30_000


@dataclass
class Batch:
    """Sources and their token sequences (B, T), padded."""

    sources: Sources
    sequences: Tensor

    def to(self, device: torch.device) -> Batch:
        return Batch(self.sources.to(device), self.sequences.to(device))


class Chunks(Dataset):
    """Chunk c holds the samples of seeds [c, c + 1) * CHUNK * batch, in batches of like length."""

    def __init__(self, plan: Plan, words: list[str]):
        self.plan = plan
        self.tokenizer = load_tokenizer()
        self.speller = Speller(words, known_words(self.tokenizer))

    def __len__(self) -> int:
        return -(-self.plan.steps // CHUNK)

    def __getitem__(self, chunk: int) -> list[Batch]:
        torch.set_num_threads(1)
        plan, made = self.plan, []
        first = (plan.seed << 32) + chunk * CHUNK * plan.batch
        for seed in range(first, first + CHUNK * plan.batch):
            one = sample(seed, self.speller)
            made.append((encode_source(self.tokenizer, one.message, one.state), one.sequence))
        made.sort(key=lambda pair: len(pair[0].pieces) + 2 * len(pair[1]))
        batches = [made[at : at + plan.batch] for at in range(0, len(made), plan.batch)]
        random.Random(first).shuffle(batches)
        return [collate(pairs) for pairs in batches]


def collate(pairs: list[tuple[Source, list[int]]]) -> Batch:
    """Pad (source, sequence) pairs to one batch."""
    sequences = [torch.tensor(sequence) for _, sequence in pairs]
    padded = torch.nn.utils.rnn.pad_sequence(sequences, batch_first=True, padding_value=PAD)
    return Batch(collate_sources([source for source, _ in pairs]), padded)


def build(shape: Shape, seed: int) -> ParserModel:
    """A parser to train: new decoder; pretrained encoder under LoRA, or as `shape.encoder` says."""
    torch.manual_seed(seed)
    if shape.encoder == "scratch":
        return ParserModel(new_encoder().apply(_draw), shape)
    if shape.encoder == "frozen":
        return ParserModel(_resting(load_encoder()).requires_grad_(False), shape)
    lora = LoraConfig(
        r=shape.lora_rank,
        lora_alpha=shape.lora_alpha,
        target_modules=["query", "key", "value", "attention.output.dense"],
    )
    encoder = get_peft_model(_resting(load_encoder()), lora)
    for value in encoder.parameters():
        if value.requires_grad:
            value.data = value.data.float()
    return ParserModel(encoder, shape)


def _resting(encoder: torch.nn.Module) -> torch.nn.Module:
    """What is frozen, in the format of the run: casting it at every step would take a third of
    the time."""
    return encoder.bfloat16() if bf16_is_fast() else encoder


def _draw(module: torch.nn.Module) -> None:
    """Random weights as BERT begins with."""
    if isinstance(module, torch.nn.Linear | torch.nn.Embedding):
        torch.nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, torch.nn.Linear):
        torch.nn.init.zeros_(module.bias)


def loss_of(model: torch.nn.Module, batch: Batch) -> Tensor:
    """Mean cross-entropy of every next token or pointer."""
    scores = model(batch.sources, batch.sequences[:, :-1])
    return F.cross_entropy(scores.flatten(0, 1), batch.sequences[:, 1:].flatten(), ignore_index=PAD)


def trained(model: ParserModel) -> dict[str, Tensor]:
    """What training changed, by the names that llm.encoder reads."""
    weights = {}
    for name, value in model.named_parameters():
        if not value.requires_grad:
            continue
        name = name.removeprefix("encoder.base_model.model.")
        name = name.replace(".lora_A.default.weight", ".lora_A")
        name = name.replace(".lora_B.default.weight", ".lora_B")
        weights[name] = value.detach()
    return weights


def _take(model: ParserModel, weights: dict[str, Tensor]) -> None:
    """Take over what an earlier run trained."""
    with torch.no_grad():
        for name, value in trained(model).items():
            value.copy_(weights[name])


def train(folder: Path, plan: Plan, shape: Shape, start: Path | None = None) -> float:
    """Train, or go on training, in `folder`; the last step's loss. A run that begins may take
    over the weights in folder `start`.

    Leaves `checkpoint.pt` (to go on), `words.txt` (the lexicon) and `log.jsonl`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    accelerator = Accelerator(mixed_precision="bf16" if bf16_is_fast() else "no")
    words = _words(folder / "words.txt", plan.lexicon)
    model = build(shape, plan.seed)
    if start is not None:
        _take(model, load((start / "model.safetensors").read_bytes()))
    optimizer = torch.optim.AdamW(
        [p for p in model.parameters() if p.requires_grad], plan.rate, weight_decay=0.01, fused=True
    )
    model, optimizer = accelerator.prepare(model, optimizer)
    bare = accelerator.unwrap_model(model)
    kept = loop.Trained(
        lambda: trained(bare), partial(_take, bare), {"shape": asdict(bare.decoder.shape)}
    )
    run = loop.Run(folder, plan, kept, optimizer)
    run.resume()
    return run.train(accelerator, model, _batches(Chunks(plan, words), run.step), loss_of)


def _batches(chunks: Chunks, step: int) -> Iterator[Batch]:
    """All batches from `step` on, made by workers ahead of their use."""
    todo = range(step // CHUNK, len(chunks))
    loader: DataLoader = DataLoader(
        chunks,
        batch_size=None,
        sampler=list(todo),
        num_workers=chunks.plan.workers,
        prefetch_factor=2 if chunks.plan.workers else None,
    )
    for chunk, batches in zip(todo, loader, strict=True):
        for at, batch in enumerate(batches):
            if step <= chunk * CHUNK + at < chunks.plan.steps:
                yield batch


def _words(file: Path, count: int) -> list[str]:
    """The lexicon, made once a run."""
    if not file.exists():
        file.write_text("\n".join(lexicon(count)) + "\n")
    return file.read_text().split()


def export(folder: Path, weights: Path) -> None:
    """Write model.safetensors (fp16), config.json and words.txt of a run into `weights`."""
    kept = torch.load(folder / "checkpoint.pt", weights_only=True)
    weights.mkdir(parents=True, exist_ok=True)
    half = {name: value.half().contiguous() for name, value in kept["weights"].items()}
    (weights / "model.safetensors").write_bytes(save(half))
    config = {
        "shape": kept["shape"],
        "steps": kept["step"],
        "temperature": 1.0,
        "license": "Apache-2.0",
        "source": "trained for Freckle with `freckle train language`",
    }
    (weights / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    (weights / "words.txt").write_text((folder / "words.txt").read_text())


def main(
    folder: Path,
    minutes: float | None = None,
    steps: int = Plan.steps,
    seed: int = 1,
    weights: Path | None = None,
    start: Path | None = None,
    encoder: Training = "lora",
    base: str | None = None,
) -> None:
    """Train in FOLDER for at most --minutes, from the weights in --start or anew; write --weights
    at the end. Ablations: --encoder frozen (no LoRA), --encoder scratch (nothing pretrained). With
    --base, any causal model of transformers (hub id or folder) is tuned in place of the embedded
    one, and --weights is the folder of its adapter."""
    if base is not None:
        from training.language import causal

        causal.main(folder, base, minutes=minutes, steps=steps, seed=seed, weights=weights)
        return
    plan = replace(Plan(), steps=steps, seed=seed, budget=minutes and minutes * 60)
    loss = train(folder, plan, Shape(encoder=encoder), start)
    print(f"last loss {loss:.3f}")
    if weights is not None:
        export(folder, weights)


if __name__ == "__main__":
    typer.run(main)
