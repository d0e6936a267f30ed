"""Distance as people see it: LPIPS (Zhang et al. 2018) over SqueezeNet 1.1.

The package `lpips` brings the architecture and its linear heads. Its own backbone weights come
from a download that is not to be had offline; here they come from a file of the Caffe model
(BGR, 0..255, mean taken off), folded into what the package expects. The heads were trained on
torchvision's backbone, so this is close to LPIPS but not LPIPS: compare its numbers with each
other only.
"""

from __future__ import annotations

from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import Tensor, nn

from vision.errors import FreckleError

_CAFFE_MEAN = (103.939, 116.779, 123.68)  # BGR


class Features(nn.Module):
    """LPIPS-style distance with a SqueezeNet 1.1 of the Caffe kind.

    Args:
        file: state dict of torchvision's squeezenet1_1 whose values are Caffe's.

    Raises:
        FreckleError: the file is not such a state dict.
    """

    def __init__(self, file: Path):
        super().__init__()
        import lpips

        self.lpips = lpips.LPIPS(net="squeeze", pnet_rand=True, verbose=False)
        try:
            stored = torch.load(file, weights_only=True)
            self._load(stored)
        except (OSError, RuntimeError, KeyError, TypeError, EOFError, UnpicklingError) as error:
            raise FreckleError(f"{file} holds no SqueezeNet 1.1 features: {error}") from error
        self.requires_grad_(False)

    def _load(self, stored: dict[str, Tensor]) -> None:
        scaling = self.lpips.scaling_layer
        mean, std = (1 + scaling.shift) / 2, scaling.scale / 2  # of RGB in 0..1
        weight = stored["features.0.weight"].flip(1)  # BGR -> RGB
        offset = 255 * mean.flatten() - torch.tensor(_CAFFE_MEAN[::-1])
        folded = dict(stored)
        folded["features.0.bias"] = stored["features.0.bias"] + (
            weight * offset[:, None, None]
        ).sum(dim=(1, 2, 3))
        folded["features.0.weight"] = weight * 255 * std
        backbone = {name.removeprefix("features."): value for name, value in folded.items()}
        for part in (getattr(self.lpips.net, f"slice{n}") for n in range(1, 8)):
            names = part.state_dict().keys()
            part.load_state_dict({name: backbone[name] for name in names})

    def distance(self, image: Tensor, other: Tensor) -> Tensor:
        """(B, 3, H, W) sRGB 0..1 each -> (B,), 0 for equal images."""
        with torch.autocast(image.device.type, enabled=False):
            return self.lpips(image.float(), other.float(), normalize=True).flatten()
