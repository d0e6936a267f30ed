"""The network at work on one aligned crop: numpy in, numpy out, loaded once, thread-safe."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from vision.compose import CLOSED
from vision.detector import Detection
from vision.faces import CROP_SIZE
from vision.prompts import PHRASES, text_tower
from vision.retoucher import RetouchNetwork
from vision.settings import Settings
from vision.vocabulary import LEARNT_KINDS
from vision.weights_file import RETOUCH_FOLDER, load_gate, load_network

# Cosine between the user's words and the nearest known phrase below which "not found" is said
# rather than guessed.
LEAST_LIKENESS = 0.55


@dataclass(frozen=True, eq=False)
class OwnWords:
    """A prompt in the user's own words: the known kind it is nearest to, and how near (0..1)."""

    kind: str
    likeness: float
    embedding: np.ndarray


@dataclass(frozen=True, eq=False)
class Found:
    """The detector's answer for one crop.

    Attributes:
        owners: (K, 512, 512) float32, each kind's share of the pixel, zero off the skin.
        amplitude: (512, 512) float32, distance to clean skin, 0..1 of full scale.
        detection: the network's own answer, before the gate, kept for the retoucher.
        prompts: (K, text) the embeddings that were asked for.
        words: the user's own words that one channel answers to, if any.
    """

    owners: np.ndarray
    amplitude: np.ndarray
    detection: Detection
    prompts: torch.Tensor
    words: OwnWords | None = None


@dataclass(frozen=True, eq=False)
class Healing:
    """What full strength does to the asked kinds.

    Attributes:
        gates: (A, 512, 512) float32 0..1, how far each pixel is edited for each asked kind.
        changes: (A, 512, 512, 3) float32, added to sRGB values in 0..1 (gates included).
    """

    gates: np.ndarray
    changes: np.ndarray


class RetouchEngine:
    """Detector and retoucher with shipped weights.

    Args:
        folder: model.safetensors and config.json.
        settings: device and dtype.
    """

    def __init__(self, folder: Path = RETOUCH_FOLDER, settings: Settings | None = None):
        settings = settings or Settings()
        network, prompts = load_network(folder)
        self.gate = load_gate(folder)
        self.device = torch.device(settings.device)
        self.dtype = getattr(torch, settings.dtype)
        self.network: RetouchNetwork = network.to(self.device, memory_format=torch.channels_last)
        self.prompts = prompts.to(self.device)
        self._lock = threading.Lock()

    @torch.inference_mode()
    def detect(self, crop: np.ndarray, skin: np.ndarray, words: OwnWords | None = None) -> Found:
        """Who owns each pixel of an aligned crop (512, 512, 3) of 0..255 with skin (512, 512) 0..1.

        With `words`, the channel of the nearest known kind answers to the user's own words.
        """
        photo = self._tensor(crop.astype(np.float32) / 255)
        prompts, own = self.prompts, None
        if words is not None:
            at = LEARNT_KINDS.index(words.kind)
            prompts = prompts.clone()
            prompts[at] = torch.from_numpy(words.embedding)
            own = torch.zeros(len(LEARNT_KINDS), dtype=torch.bool, device=self.device)
            own[at] = True
        with self._lock, self._autocast():
            found = self.network.detect(
                photo, self._tensor(skin[..., None]), self._place(), prompts, own
            )
        owners = self.gate.owners(found.logits)[0].cpu().numpy() * skin
        amplitude = found.amplitude[0, 0].float().cpu().numpy()
        return Found(owners, amplitude, found, prompts, words)

    def heal(
        self, crop: np.ndarray, skin: np.ndarray, found: Found, asked: tuple[int, ...]
    ) -> Healing:
        """Take the asked channels away; `found` is the detection on `crop`, as in `detect`.

        How many passes a kind gets is calibrated with the gate.
        """
        passes = tuple(self.gate.passes[k] if self.gate.passes else 1 for k in asked)
        *_, healing = self.heal_in_passes(crop, skin, found, asked, passes)
        return healing

    def heal_in_passes(
        self,
        crop: np.ndarray,
        skin: np.ndarray,
        found: Found,
        asked: tuple[int, ...],
        passes: tuple[int, ...],
    ) -> Iterator[Healing]:
        """What is reached after each pass, of which every asked channel takes part in `passes`.

        Each looks at what the last one left: progressive retouching (BPFRe) with one network.
        What the first pass did not find, no later one may claim.
        """
        taking_part = np.array(passes)
        first = found.owners[list(asked)] > CLOSED
        gates = np.zeros((len(asked), *skin.shape), np.float32)
        changes = np.zeros((*gates.shape, 3), np.float32)
        for step in range(max(passes)):
            if step:
                healed = np.clip(crop + 255 * changes.sum(axis=0), 0, 255)
                found = self.detect(healed, skin, found.words)
            again = taking_part > step
            still = tuple(np.array(asked)[again].tolist())
            owners = found.owners[list(still)] * first[again]
            changes[again] += owners[..., None] * self._change(found, still)
            gates[again] = 1 - (1 - gates[again]) * (1 - owners)
            yield Healing(gates.copy(), changes.copy())

    @torch.inference_mode()
    def _change(self, found: Found, asked: tuple[int, ...]) -> np.ndarray:
        """Change toward clean skin, (512, 512, 3) float32 of sRGB 0..1, before any gate."""
        chosen = torch.zeros(found.owners.shape)
        chosen[list(asked)] = torch.from_numpy(found.owners[list(asked)])
        with self._lock, self._autocast():
            change = self.network.change(
                found.detection, chosen[None].to(self.device), found.prompts
            )
        return change[0].permute(1, 2, 0).cpu().numpy()

    def _tensor(self, image: np.ndarray) -> torch.Tensor:
        tensor = torch.from_numpy(np.array(image, np.float32)).permute(2, 0, 1)[None]
        return tensor.to(self.device, memory_format=torch.channels_last)

    def _place(self) -> torch.Tensor:
        line = torch.arange(CROP_SIZE, device=self.device) / (CROP_SIZE / 2) - 1
        y, x = torch.meshgrid(line, line, indexing="ij")
        return torch.stack([x, y])[None]

    def _autocast(self):
        enabled = self.dtype is not torch.float32
        return torch.autocast(self.device.type, self.dtype, enabled=enabled)


@lru_cache
def engine() -> RetouchEngine:
    """The process-wide engine with the shipped weights."""
    return RetouchEngine()


@lru_cache(maxsize=256)
def own_words(phrase: str) -> OwnWords:
    """The known kind that a phrase in the user's own words is nearest to."""
    kinds = [kind for kind in LEARNT_KINDS for _ in PHRASES[kind]]
    known = [text for kind in LEARNT_KINDS for text in PHRASES[kind]]
    embedded = text_tower()([phrase, *known])
    likeness = embedded[1:] @ embedded[0]
    best = int(likeness.argmax())
    return OwnWords(kinds[best], float(likeness[best]), embedded[0])
