"""Where a photo seems to be taken, told by a CLIP as it is (zero-shot: Radford et al. 2021).

Optional: only where the setting `scene_clip` names a CLIP. Heads are greyed out before it looks.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memory.scene import Box, without_heads
from vision.errors import FreckleError

if TYPE_CHECKING:
    from vision.photo import Photo

SETTINGS = {
    "indoors": "a photo taken in a room",
    "outdoors": "a photo taken outdoors in nature",
    "street": "a photo taken in a street",
    "studio": "a portrait in front of a plain studio background",
    "stage": "a photo taken on a stage or at a party",
}
# A setting less likely than this is not named.
LEAST = 0.4


class Clip:
    """A whole CLIP of open_clip: NAME:WEIGHTS, or a folder with its config and weights.

    Raises:
        FreckleError: there is no such model, or it cannot be fetched.
    """

    def __init__(self, name: str) -> None:
        import open_clip

        architecture, _, weights = name.partition(":")
        source = f"local-dir:{name}" if Path(name).is_dir() else architecture
        try:
            self._model, _, self._prepare = open_clip.create_model_and_transforms(
                source, weights or None, require_pretrained=True
            )
            self._tokens = open_clip.get_tokenizer(source)(list(SETTINGS.values()))
        except (RuntimeError, ValueError, OSError) as error:
            raise FreckleError(
                f"no CLIP is to be had as {name} ({error}): set FRECKLE_SCENE_CLIP to NAME:WEIGHTS "
                "or a folder, or unset it"
            ) from error
        self._model.eval()
        self._lock = threading.Lock()

    def likelihoods(self, image: Any) -> dict[str, float]:
        """How likely each of `SETTINGS` is for a Pillow image; they add up to 1."""
        import torch

        with self._lock, torch.inference_mode():
            seen = self._model.encode_image(self._prepare(image)[None], normalize=True)
            said = self._model.encode_text(self._tokens, normalize=True)
            chances = (self._model.logit_scale.exp() * seen @ said.T).softmax(-1)[0]
        return dict(zip(SETTINGS, chances.tolist(), strict=True))


@lru_cache
def clip(name: str) -> Clip:
    """The process-wide CLIP of a name."""
    return Clip(name)


def setting_of(photo: Photo, faces: Sequence[Box], name: str) -> str | None:
    """The likeliest of `SETTINGS`, or None where none stands out."""
    from PIL import Image

    chances = clip(name).likelihoods(Image.fromarray(without_heads(photo, faces)))
    best = max(chances, key=lambda setting: chances[setting])
    return best if chances[best] >= LEAST else None
