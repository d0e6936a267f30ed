"""The vision network with its losses: one batch in, named losses out.

Losses that the shipped weights were not trained with have weight 0 in `LossWeights`: they are
there to be compared (`training.compare`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn

from training import losses
from training.adversary import PixelDiscriminator, adversarial_terms
from training.loop import Learner, Stage
from training.options import VisionTraining
from training.painted import Batch
from training.perceptual import Features
from training.retouch_clip import ImageTower
from vision.detector import Detection, NetworkConfig, one_map
from vision.errors import FreckleError
from vision.prompts import PHRASES, text_tower
from vision.retoucher import RetouchNetwork, blend
from vision.vocabulary import NETWORK_KINDS

STUBBLE = NETWORK_KINDS.index("stubble")
_OF_WORDS = frozenset({"user_mapping", "said", "words", "modulation"})  # parts of names of weights


@dataclass(frozen=True)
class Teachers:
    """Networks that judge but do not learn; each is needed by one loss only.

    Attributes:
        features: for `perceptual`.
        image_tower: RetouchCLIP's, for `local`.
    """

    features: Features | None = None
    image_tower: ImageTower | None = None


class Phrasebook:
    """Embeddings of every phrase of every kind: pre-defined prompts and ways to say them."""

    def __init__(self, config: NetworkConfig):
        kinds = config.kinds
        phrases = [phrase for kind in kinds for phrase in PHRASES[kind]]
        embedded = iter(_embedded(tuple(phrases), config))
        self.by_kind = [
            torch.from_numpy(np.stack([next(embedded) for _ in PHRASES[k]])) for k in kinds
        ]
        self.prompts = torch.stack([phrases[0] for phrases in self.by_kind])
        self.sayings: tuple[Tensor, ...] = ()
        if config.language_state:
            from training.sayings import sayings

            self.sayings = sayings(kinds)
            if self.sayings[0].shape[1] != config.text:
                raise FreckleError("the language model's states are as long as MiniLM's: no --clip")

    @property
    def states(self) -> Tensor:
        """(K, text), the mean of what the language model makes of the words for each kind."""
        return torch.stack([said.mean(dim=0) for said in self.sayings])

    def said(self, batch: int, rng: torch.Generator) -> Tensor:
        """(B, K, text): for every kind what the language model makes of one way to ask for it."""
        drawn = [said[torch.randint(len(said), (batch,), generator=rng)] for said in self.sayings]
        return torch.stack(drawn, dim=1)

    def draw(self, batch: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Prompts (B, K, text) and own_words (B, K): a quarter in other people's words."""
        prompts = self.prompts.expand(batch, -1, -1).clone()
        own_words = torch.rand(batch, len(self.by_kind), generator=rng) < 0.25
        for b, k in own_words.nonzero().tolist():
            choice = int(torch.randint(len(self.by_kind[k]), (1,), generator=rng))
            prompts[b, k] = self.by_kind[k][choice]
        return prompts, own_words


@lru_cache(maxsize=4)
def _embedded(phrases: tuple[str, ...], config: NetworkConfig) -> np.ndarray:
    """(N, text) unit vectors of the text tower; without text prior, of nothing at all."""
    if config.text_prior:
        return text_tower(config.tower)(list(phrases))
    chance = np.random.default_rng(0).normal(size=(len(phrases), config.text))
    return (chance / np.linalg.norm(chance, axis=1, keepdims=True)).astype(np.float32)


class VisionLearner(Learner):
    """The network and its losses (and a discriminator, where one is asked for)."""

    def __init__(
        self,
        options: VisionTraining,
        network: RetouchNetwork,
        book: Phrasebook,
        teachers: Teachers | None = None,
    ):
        super().__init__()
        self.options, self.network, self.book = options, network, book
        self.teachers = teachers or Teachers()
        if book.sayings:
            network.retoucher.states.copy_(book.states)
        self.weights = asdict(options.losses)
        weights = options.losses
        if bool(weights.adversarial or weights.unpaired) != bool(weights.judge):
            raise FreckleError(
                "adversarial or unpaired losses need a judge, and a judge needs them"
            )
        if weights.judge:
            self.discriminator = PixelDiscriminator()
        if weights.perceptual and self.teachers.features is None:
            raise FreckleError("the perceptual loss needs features; give --features FILE")
        if weights.local and self.teachers.image_tower is None:
            raise FreckleError("the local loss needs RetouchCLIP; give --clip-tower FOLDER")
        if weights.local and options.network.tower != "minilm":
            raise FreckleError("RetouchCLIP knows MiniLM's words alone; leave out --clip")

    def hidden(self) -> list[nn.Parameter]:
        """Without what reads words or makes them modulate: phrases fill few of its directions, and
        no step should take the others."""
        of_words = {
            id(weight)
            for name, weight in self.named_parameters()
            if not _OF_WORDS.isdisjoint(name.split("."))
        }
        return [weight for weight in super().hidden() if id(weight) not in of_words]

    def forward(self, batch: Batch, stage: Stage) -> dict[str, Tensor]:
        """Losses of one batch, unweighted, by the names of `LossWeights`.

        Those of the retoucher come only where it learns.
        """
        device = batch.photo.device
        prompts, own_words = (t.to(device) for t in self.book.draw(len(batch.photo), self.rng))
        found = self.network.detect(
            batch.photo, batch.skin, batch.place, prompts, own_words, batch.tone
        )
        terms = self._detection_terms(found, batch, stage.balance)
        if stage.retouch:
            terms |= self._retouch_terms(found, batch, prompts, stage)
        return {name: term for name, term in terms.items() if self.weights[name]}

    def _detection_terms(self, found: Detection, batch: Batch, balance: float) -> dict[str, Tensor]:
        known = batch.known * (1 - batch.marked)
        amount = batch.change.abs().mean(dim=1, keepdim=True)
        terms = {"amplitude": losses.amplitude_loss(found.amplitude, amount, known)}
        if batch.kinds_known:
            hair = (found.logits, batch.beard, STUBBLE)
            owners = losses.hair_is_stubble_or_nothing(batch.owners, *hair)
            terms |= {
                "detection": losses.detection_loss(found.logits, owners, known, balance),
                "dice": losses.dice_loss(found.owners, owners, known),
            }
            if self.weights["comp"]:
                terms["comp"] = losses.component_loss(found.owners, owners, known, batch.place)
            return terms
        # A pair says that something was there, not what.
        anything, nothing = batch.owners.sum(dim=1, keepdim=True), found.logits[:, -1:]
        some = torch.cat([found.logits[:, :-1].logsumexp(dim=1, keepdim=True), nothing], dim=1)
        return terms | {
            "detection": losses.detection_loss(some, anything, known, balance),
            "dice": losses.dice_loss(some.softmax(dim=1)[:, :1], anything, known),
        }

    def _retouch_terms(
        self, found: Detection, batch: Batch, prompts: Tensor, stage: Stage
    ) -> dict[str, Tensor]:
        marked = batch.marked
        strengths = losses.asked_strengths(batch, self.rng)
        chance = torch.rand(len(marked), 1, 1, 1, generator=self.rng).to(marked.device)
        taught = chance < stage.taught * batch.kinds_known
        # Ownership is taught by its own losses alone at first: a change that is not good yet would
        # teach it to close every gate (seen: 1,300 steps without a single mole).
        owners = found.owners if stage.joint else found.owners.detach()
        gating = torch.where(taught, batch.owners, owners) * (1 - marked)
        if not self.options.network.prompted:
            gating = one_map(gating, strengths)
        wanted = (strengths > 0)[:, :, None, None]
        seen = gating.detach()
        if stage.taught:
            seen = losses.shaken(seen, self.options.shaken, self.rng)
        states = self.book.said(len(marked), self.rng).to(marked) if self.book.sayings else None
        change = self.network.change(found, seen * wanted, prompts, marked, states)
        # What lies under real hair is not known, if it was asked away; and a foreign patch is ten
        # times farther from skin than a mark, which must not drown in it.
        hair = batch.beard * wanted[:, STUBBLE : STUBBLE + 1]
        known = batch.known * (1 - hair) * (1 - 0.8 * marked)
        truth = torch.where(marked > 0, batch.change, batch.without(strengths))
        gate = (gating * strengths[:, :, None, None]).sum(dim=1, keepdim=True) + marked

        def made(of: Tensor) -> Tensor:
            return blend(torch.zeros_like(of), gating, strengths, of) + marked * of

        refined = made(change.refined)
        counted = known * losses.dimness(batch.tone)
        terms = _consistency(refined, truth, counted)
        if change.attention is not None:
            coarse, wished = made(change.coarse) * counted, truth * counted
            terms["coarse"] = losses.change_loss(coarse, wished, losses.asked_away(wished))
            terms["attention"] = losses.attention_loss(change.attention, coarse, wished)
        # Clean skin as far as it is known; elsewhere the result stands for itself.
        sure = (batch.known > 0) & (hair == 0)
        clean = batch.photo + torch.where(sure, truth, refined.detach())
        return terms | self._optional_terms(batch, refined, clean, gate, strengths, prompts)

    def _optional_terms(
        self,
        batch: Batch,
        made: Tensor,
        clean: Tensor,
        gate: Tensor,
        strengths: Tensor,
        prompts: Tensor,
    ) -> dict[str, Tensor]:
        """Losses that cost a network of their own, only where they have a weight."""
        weights, terms = self.options.losses, {}
        result = batch.photo + made
        if weights.keep:
            unasked = (batch.owners * (strengths == 0)[:, :, None, None]).sum(dim=1, keepdim=True)
            terms["keep"] = losses.keep_loss(made, unasked)
        if weights.perceptual:
            terms["perceptual"] = self._teacher("features", result).distance(result, clean).mean()
        if weights.judge:
            terms |= adversarial_terms(self.discriminator, batch, result, clean, gate)
        if weights.local and batch.kinds_known:  # a pair names no kind that words could be for
            tower = self._teacher("image_tower", result)
            terms["local"] = losses.local_loss(tower, result, batch.owners, strengths, prompts)
        return terms

    def _teacher(self, name: str, like: Tensor) -> nn.Module:
        """A teacher on the device of a tensor; no part of this module, or it would be averaged
        and saved."""
        return getattr(self.teachers, name).to(like.device)


def _consistency(made: Tensor, truth: Tensor, counted: Tensor) -> dict[str, Tensor]:
    made, truth = made * counted, truth * counted
    return {
        "change": losses.change_loss(made, truth, losses.asked_away(truth)),
        "gradient": losses.gradient_loss(made, truth),
    }
