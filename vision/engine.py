"""The network at work on one aligned crop: numpy in, numpy out, loaded once, thread-safe."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from vision.compose import CLOSED
from vision.detector import Detection
from vision.errors import FreckleError
from vision.faces import CROP_SIZE
from vision.prompts import PHRASES, OwnWords, text_tower, understood
from vision.regions import Surfaces
from vision.retoucher import RetouchNetwork
from vision.settings import Settings, device_of
from vision.surroundings import skin_tone
from vision.vocabulary import NETWORK_KINDS, SKIN_KINDS
from vision.weights_file import RETOUCH_FOLDER, SKIN_FOLDER, load_calibration, load_network

# A pixel counts as showing a kind from this ownership on.
FOUND = 0.3
# Pixels of skin from which its tone is known.
_LEAST_SKIN = 500
# A black scribble is far from any skin: the first pass leaves a shadow of it, the second takes that
# away, a third was seen to change nothing for the better.
_FILL_PASSES = 2


@dataclass(frozen=True, eq=False)
class Found:
    """The detector's answer for one crop.

    Attributes:
        owners: (K, 512, 512) float32, each kind's share of the pixel, zero off its surface.
        amplitude: (512, 512) float32, distance to clean skin, 0..1 of full scale.
        detection: the network's own answer, before the gate, kept for the retoucher.
        prompts: (K, text) the embeddings that were asked for.
        by: the engine that says so, which heals what it found.
        words: the user's own words that one channel answers to, if any.
    """

    owners: np.ndarray
    amplitude: np.ndarray
    detection: Detection
    prompts: torch.Tensor
    by: RetouchEngine
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

    Attributes:
        gate: as calibrated.
        least_likeness: of words to the nearest kind (`prompts.understood`), below which they are
            said to mean none that is known.
        tower: name of the text tower that the words are embedded by.
        skin: the engine of another network, which answers for `SKIN_KINDS`; None where this one
            does (`of`).
    """

    def __init__(self, folder: Path = RETOUCH_FOLDER, settings: Settings | None = None):
        settings = settings or Settings()
        network, prompts = load_network(folder)
        self.gate, self.least_likeness = load_calibration(folder)
        self.tower = network.config.tower
        self.device = device_of(settings.device)
        self.dtype = getattr(torch, settings.dtype)
        self.network: RetouchNetwork = network.to(self.device, memory_format=torch.channels_last)
        self.skin: RetouchEngine | None = None
        self.kinds = network.config.kinds
        self.prompts = prompts.to(self.device)
        self._lock = threading.Lock()

    def of(self, kind: str) -> RetouchEngine:
        """The engine that answers for a kind."""
        return self.skin if self.skin is not None and kind in SKIN_KINDS else self

    @torch.inference_mode()
    def detect(self, crop: np.ndarray, on: Surfaces, words: OwnWords | None = None) -> Found:
        """Who owns each pixel of an aligned crop (512, 512, 3) of 0..255.

        With `words`, the channel of the nearest known kind answers to the user's own words.
        """
        photo = self._tensor(crop.astype(np.float32) / 255)
        prompts, own = self.prompts, None
        if words is not None:
            at = self.kinds.index(words.kind)
            prompts = prompts.clone()
            prompts[at] = torch.from_numpy(words.embedding)
            own = torch.zeros(len(self.kinds), dtype=torch.bool, device=self.device)
            own[at] = True
        with self._lock, self.autocast():
            found = self.network.detect(
                photo, self._tensor(on.skin[..., None]), self._place(), prompts, own
            )
        owners = self.gate.owners(found.logits)[0].cpu().numpy()
        for kind, owner in zip(self.kinds, owners, strict=True):
            owner *= on.of(kind)
        amplitude = found.amplitude[0, 0].float().cpu().numpy()
        return Found(owners, amplitude, found, prompts, self, words)

    def heal(self, crop: np.ndarray, on: Surfaces, found: Found, asked: tuple[int, ...]) -> Healing:
        """Take the asked channels away; `found` is the detection on `crop`, as in `detect`.

        How many passes a kind gets is calibrated with the gate.
        """
        passes = tuple(self.gate.passes[k] if self.gate.passes else 1 for k in asked)
        *_, healing = self.heal_in_passes(crop, on, found, asked, passes)
        return healing

    def heal_in_passes(
        self,
        crop: np.ndarray,
        on: Surfaces,
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
        gates = np.zeros((len(asked), *on.skin.shape), np.float32)
        changes = np.zeros((*gates.shape, 3), np.float32)
        for step in range(max(passes)):
            if step:
                healed = np.clip(crop + 255 * changes.sum(axis=0), 0, 255)
                found = self.detect(healed, on, found.words)
            again = taking_part > step
            still = tuple(np.array(asked)[again].tolist())
            owners = found.owners[list(still)] * first[again]
            if not self.network.config.prompted:
                owners[:] = found.owners.sum(axis=0) / len(still)
            changes[again] += owners[..., None] * self._change(found, still)
            gates[again] = 1 - (1 - gates[again]) * (1 - owners)
            yield Healing(gates.copy(), changes.copy())

    @torch.inference_mode()
    def _change(self, found: Found, asked: tuple[int, ...]) -> np.ndarray:
        """Change toward clean skin, (512, 512, 3) float32 of sRGB 0..1, before any gate."""
        chosen = torch.zeros(found.owners.shape)
        chosen[list(asked)] = torch.from_numpy(found.owners[list(asked)])
        with self._lock, self.autocast():
            change = self.network.change(
                found.detection, chosen[None].to(self.device), found.prompts
            )
        return change.refined[0].permute(1, 2, 0).cpu().numpy()

    @torch.inference_mode()
    def fill(self, crop: np.ndarray, on: Surfaces, marked: np.ndarray) -> np.ndarray:
        """Change, (512, 512, 3) float32 of sRGB 0..1, that puts skin where `marked` (512, 512) is
        1, whatever is there (BPFRe's inpainting use); 0 where it is 0."""
        start, mask = self._tensor(crop.astype(np.float32) / 255), self._tensor(marked[..., None])
        skin = self._tensor(on.skin[..., None])
        bare = skin * (1 - mask)
        tone = skin_tone(start, bare if bare.sum() >= _LEAST_SKIN else skin)
        # Whatever lies there is taken for skin, as in training: skin it shall become.
        skin = torch.maximum(skin, mask)
        nothing = mask.new_zeros(1, len(self.kinds), *marked.shape)
        filled = start
        for _ in range(_FILL_PASSES):
            with self._lock, self.autocast():
                found = self.network.detect(filled, skin, self._place(), self.prompts, None, tone)
                change = self.network.change(found, nothing, self.prompts, mask).refined
            filled = (filled + mask * change.float()).clamp(0, 1)
        return (filled - start)[0].permute(1, 2, 0).cpu().numpy()

    def _tensor(self, image: np.ndarray) -> torch.Tensor:
        tensor = torch.from_numpy(np.array(image, np.float32)).permute(2, 0, 1)[None]
        return tensor.to(self.device, memory_format=torch.channels_last)

    def _place(self) -> torch.Tensor:
        line = torch.arange(CROP_SIZE, device=self.device) / (CROP_SIZE / 2) - 1
        y, x = torch.meshgrid(line, line, indexing="ij")
        return torch.stack([x, y])[None]

    def autocast(self):
        """The context in which the network runs, by the settings' dtype."""
        enabled = self.dtype is not torch.float32
        return torch.autocast(self.device.type, self.dtype, enabled=enabled)


def engine(settings: Settings | None = None) -> RetouchEngine:
    """The process-wide engine with the shipped weights on a device, and that for the skin in it.

    Raises:
        FreckleError: they know other kinds than this version, which names channels by them.
    """
    settings = settings or Settings()
    return _shipped(settings.device, settings.dtype)


@lru_cache
def _shipped(device: str, dtype: Literal["float32", "bfloat16"]) -> RetouchEngine:
    settings = Settings(device=device, dtype=dtype)
    shipped, shipped.skin = (RetouchEngine(one, settings) for one in (RETOUCH_FOLDER, SKIN_FOLDER))
    for one, folder in ((shipped, RETOUCH_FOLDER), (shipped.skin, SKIN_FOLDER)):
        if one.kinds != NETWORK_KINDS:
            raise FreckleError(f"{folder} knows other kinds; reinstall freckle")
    return shipped


@lru_cache(maxsize=256)
def own_words(phrase: str, tower: str = "minilm") -> OwnWords:
    """The known kind that a phrase in the user's own words is nearest to, as a tower sees it."""
    embedded, known = text_tower(tower)([phrase])[0], _known_phrases(tower)
    return understood(embedded, known, known @ embedded)


@lru_cache
def _known_phrases(tower: str) -> np.ndarray:
    """(P, text) every phrase of every kind, in the order of `PHRASES`, as a tower embeds them."""
    return text_tower(tower)([phrase for phrases in PHRASES.values() for phrase in phrases])
