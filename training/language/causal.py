"""LoRA-tuning of any causal model of transformers (Qwen, Llama, Gemma, SmolLM ...) on the corpus.

Notable: samples are made while training, by seed, as in `tuning`; the model is asked as the product
asks it (`llm.prompt`) and learns the answer alone. The instructions are left out: what is tuned
knows the contract, so each message costs a tenth of the tokens. A killed run goes on from the
checkpoint in its folder and gives the result of an unbroken run.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from accelerate import Accelerator
from peft import LoraConfig, PeftModel, get_peft_model
from peft import get_peft_model_state_dict as adapter_of
from peft import set_peft_model_state_dict as set_adapter
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from llm.prompt import TEMPLATE, TUNED, answer, conversation, render
from llm.sequences import read
from training.language import loop
from training.language.corpus.samples import Sample, sample
from vision.errors import FreckleError

IGNORED = -100  # label of what is read and not to be learnt


@dataclass(frozen=True)
class Plan(loop.Plan):
    """How to tune; `rank` and `alpha` are LoRA's."""

    steps: int = 4_000
    batch: int = 16
    rate: float = 2e-4
    warmup: int = 50
    checkpoint_every: float = 120.0
    log_every: int = 20
    rank: int = 16
    alpha: int = 32


@dataclass
class Batch:
    """Token ids (B, T), where they are no padding (B, T), and labels (B, T)."""

    tokens: Tensor
    real: Tensor
    labels: Tensor

    def to(self, device: torch.device) -> Batch:
        return Batch(*(getattr(self, name).to(device) for name in self.__dataclass_fields__))


class Batches(Dataset):
    """Batch b holds the samples of seeds [b, b + 1) * batch."""

    def __init__(self, plan: Plan, tokenizer: Any):
        self.plan, self.tokenizer = plan, tokenizer

    def __len__(self) -> int:
        return self.plan.steps

    def __getitem__(self, index: int) -> Batch:
        first = (self.plan.seed << 32) + index * self.plan.batch
        drawn = [sample(seed) for seed in range(first, first + self.plan.batch)]
        return collate([tokens_of(self.tokenizer, one) for one in drawn])


def tokens_of(tokenizer: Any, one: Sample) -> tuple[list[int], list[int]]:
    """A sample as a model reads it, and as it is to answer it."""
    asked = render(tokenizer, conversation(one.text, one.state, instructed=True))
    wanted = answer(read(one.sequence, one.message, one.state)) + tokenizer.eos_token
    ids = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in (asked, wanted)]
    return ids[0], ids[1]


def collate(pairs: list[tuple[list[int], list[int]]]) -> Batch:
    """Pad (question, answer) pairs to one batch; only answers have labels."""
    width = max(len(question) + len(wanted) for question, wanted in pairs)
    tokens = torch.zeros(len(pairs), width, dtype=torch.long)
    labels = torch.full_like(tokens, IGNORED)
    real = torch.zeros_like(tokens)
    for row, (question, wanted) in enumerate(pairs):
        whole = torch.tensor(question + wanted)
        tokens[row, : len(whole)], real[row, : len(whole)] = whole, 1
        labels[row, len(question) : len(whole)] = whole[len(question) :]
    return Batch(tokens, real, labels)


def load_base(base: str, dtype: torch.dtype) -> tuple[PreTrainedModel, Any]:
    """A model and its tokenizer, with a chat template. Raises FreckleError where there is none."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(base)
        model = AutoModelForCausalLM.from_pretrained(base, dtype=dtype)
    except (OSError, ValueError) as error:
        why = str(error).strip().partition("\n")[0]
        raise FreckleError(
            f"cannot load --base {base} ({why}): name the folder or the hub id of a causal model"
        ) from error
    if tokenizer.eos_token is None:
        raise FreckleError(f"the tokenizer of --base {base} has no token that ends an answer")
    tokenizer.chat_template = tokenizer.chat_template or TEMPLATE
    return model, tokenizer


def loss_of(model: torch.nn.Module, batch: Batch) -> Tensor:
    """Mean cross-entropy of every next token of the answers."""
    scores = model(input_ids=batch.tokens, attention_mask=batch.real).logits[:, :-1]
    return F.cross_entropy(
        scores.flatten(0, 1).float(), batch.labels[:, 1:].flatten(), ignore_index=IGNORED
    )


def train(folder: Path, base: str, plan: Plan) -> float:
    """Tune, or go on tuning, in `folder`; the last step's loss.

    base: hub id or folder of the model. Leaves `checkpoint.pt` (to go on), `log.jsonl`, and
    `adapter`, a folder that names the model to the product as well as its own does.
    """
    folder.mkdir(parents=True, exist_ok=True)
    base = str(Path(base).resolve()) if Path(base).is_dir() else base
    accelerator = Accelerator(mixed_precision="bf16" if torch.cuda.is_available() else "no")
    bare, tokenizer = load_base(
        base, torch.bfloat16 if torch.cuda.is_available() else torch.float32
    )
    torch.manual_seed(plan.seed)
    lora = LoraConfig(
        r=plan.rank, lora_alpha=plan.alpha, target_modules="all-linear", task_type="CAUSAL_LM"
    )
    tuned = get_peft_model(bare, lora)
    optimizer = torch.optim.AdamW(
        [p for p in tuned.parameters() if p.requires_grad], plan.rate, weight_decay=0.01
    )
    model, optimizer = accelerator.prepare(tuned, optimizer)
    kept = loop.Trained(lambda: adapter_of(tuned), partial(set_adapter, tuned), {"base": base})
    run = loop.Run(folder, plan, kept, optimizer)
    run.resume()
    batches = DataLoader(
        Batches(plan, tokenizer),
        batch_size=None,
        sampler=range(run.step, plan.steps),
        num_workers=plan.workers,
    )
    loss = run.train(accelerator, model, batches, loss_of)
    save_adapter(folder / "adapter", tuned, tokenizer, base, run.step)
    return loss


def save_adapter(folder: Path, model: PeftModel, tokenizer: Any, base: str, steps: int) -> None:
    """Write adapter, tokenizer with its chat template, and how they came to be."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    facts = {"base": base, "steps": steps, "source": "tuned with `freckle train language --base`"}
    (folder / TUNED).write_text(json.dumps(facts, indent=2) + "\n")


def main(
    folder: Path,
    base: str,
    *,
    minutes: float | None,
    steps: int,
    seed: int,
    weights: Path | None,
) -> None:
    """Tune `base` in `folder` for at most `minutes`; copy the adapter to `weights` at the end."""
    import shutil

    loss = train(folder, base, Plan(steps=steps, seed=seed, budget=minutes and minutes * 60))
    print(f"last loss {loss:.3f}; the adapter is in {folder / 'adapter'}")
    if weights is not None:
        shutil.copytree(folder / "adapter", weights, dirs_exist_ok=True)
