"""Portraits for the browser to upload: each visitor's own, so that nobody's can be mistaken."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms
from skimage import data

MAKER = "Zeiss"
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
MARK = 24  # pixels of the patch in the corner that says whose photo it is


def portrait(path: Path, *, mark: int = 0, side: int = 512) -> Path:
    """Write the astronaut with a profile, EXIF and a resolution to keep.

    Args:
        path: its ending chooses the format.
        mark: 0..4095; the colour of the patch in the upper left corner.
        side: pixels; the astronaut has 512, more are made by enlarging.
    """
    image = Image.fromarray(data.astronaut())
    if side != image.width:
        image = image.resize((side, side), Image.Resampling.LANCZOS)
    image.paste(colour(mark), (0, 0, MARK, MARK))
    exif = Image.Exif()
    exif[0x010F] = MAKER
    image.save(path, exif=exif, icc_profile=PROFILE, dpi=(200, 200), **_options(path))
    return path


def colour(mark: int) -> tuple[int, int, int]:
    """One far from that of every other mark: sixteen steps in each channel."""
    return tuple(17 * ((mark >> shift) & 15) for shift in (8, 4, 0))  # type: ignore[return-value]


def mark_of(photo: Path | bytes) -> int:
    """Whose photo this is, by its patch; JPEG may move each channel by a few steps."""
    with Image.open(io.BytesIO(photo) if isinstance(photo, bytes) else photo) as image:
        patch = np.asarray(image.convert("RGB").crop((4, 4, MARK - 4, MARK - 4)))
    red, green, blue = (round(channel / 17) for channel in patch.mean(axis=(0, 1)))
    return red << 8 | green << 4 | blue


def _options(path: Path) -> dict[str, object]:
    return {"quality": 92} if path.suffix == ".jpg" else {}
