"""Photos in and out: every format, depth, profile and orientation, and nothing lost in between.

`load` gives upright pixels in the photo's own colours and depth; `save` writes them the way the
source was written. What happens at the edges:

- 1-bit and palette images become 8-bit grey or RGB; CMYK, Lab, floating-point, HDR, animated,
  multi-page and camera raw files are refused.
- Behind the first picture of a JPEG and the primary image of a HEIC there may be previews, depth
  or gain maps: they describe the photo before the retouch and are not carried along. The same
  goes for the EXIF thumbnail.
- Saved under another ending: 16 bit becomes 8 (JPEG, WebP) or 10 (HEIC); alpha is laid over
  white for JPEG; grey becomes RGB for WebP. EXIF, XMP and the profile go along.
- A damaged profile is carried but its colours are read as sRGB.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyvips
from PIL import Image

from vision import codecs, colour, exif, tiff
from vision.errors import FreckleError
from vision.raster import MAX_PIXELS, Raster, Refusal, check_size, eight_bit, over

__all__ = [
    "MAX_PIXELS", "Photo", "PhotoError", "check_ending", "ending_of", "load", "named_as_photo",
    "save",
]  # fmt: skip

Format = Literal["jpeg", "png", "webp", "tiff", "heif"]

_ENDINGS: dict[str, Format] = {
    ".jpg": "jpeg", ".jpeg": "jpeg", ".jpe": "jpeg", ".jfif": "jpeg", ".png": "png",
    ".webp": "webp", ".tif": "tiff", ".tiff": "tiff", ".heic": "heif", ".heif": "heif",
    ".hif": "heif",
}  # fmt: skip
_DECODERS: dict[Format, Callable[[bytes], Raster]] = {
    "jpeg": codecs.decode_jpeg,
    "png": codecs.decode_png,
    "webp": codecs.decode_webp,
    "tiff": tiff.decode,
    "heif": codecs.decode_heif,
}
_ENCODERS: dict[Format, Callable[[Raster], bytes]] = {
    "jpeg": codecs.encode_jpeg,
    "png": codecs.encode_png,
    "webp": codecs.encode_webp,
    "tiff": tiff.encode,
    "heif": codecs.encode_heif,
}
_LONGEST_SIDE: dict[Format, int] = {"jpeg": 65500, "webp": 16383, "heif": 16384}
# What Pillow, libvips and libheif raise on a damaged file.
DAMAGE = (OSError, SyntaxError, ValueError, EOFError, RuntimeError, IndexError, KeyError,
           OverflowError, MemoryError, struct.error, zlib.error, pyvips.Error)  # fmt: skip
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}


class PhotoError(FreckleError):
    """A photo cannot be read or written; the message names it and says what to do."""


@dataclass(frozen=True, eq=False)
class Photo:
    """One photo, upright, in its own colour space and bit depth. Its arrays are read-only.

    pixels: (H, W, 3) or, for greyscale, (H, W, 1); uint8 or uint16. alpha: (H, W) of the same
    type, not premultiplied. icc, exif (a TIFF structure), xmp: blobs as the file held them.
    encoding: what the codec of `format` needs to write the file the way it was written.
    turned: the EXIF orientation (1 to 8) that the stored pixels had and were turned upright by.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    format: Format = "png"
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    encoding: Mapping[str, Any] = field(default_factory=dict)
    path: Path | None = None
    turned: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "pixels", _read_only(self.pixels))
        if self.alpha is not None:
            object.__setattr__(self, "alpha", _read_only(self.alpha))

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])

    @property
    def bits(self) -> int:
        """8 or 16."""
        return 8 * int(self.pixels.itemsize)

    @property
    def opacity(self) -> np.ndarray | None:
        """`alpha`, or None where its file says that it is something else: a saved selection."""
        return None if self.encoding.get("extra_samples") == tiff.UNSPECIFIED else self.alpha

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of what is seen: the upright pixels and alpha, their shape and type."""
        digest = hashlib.sha256(f"{self.pixels.shape} {self.pixels.dtype}".encode())
        digest.update(np.ascontiguousarray(self.pixels).data)
        if self.alpha is not None:
            digest.update(b"alpha")
            digest.update(np.ascontiguousarray(self.alpha).data)
        return digest.hexdigest()

    def srgb8(self) -> np.ndarray:
        """(H, W, 3) uint8 in sRGB, alpha left aside: what the models see. Cached, read-only."""
        return self._srgb8

    @cached_property
    def _srgb8(self) -> np.ndarray:
        return _read_only(colour.srgb8(self.pixels, self.icc))

    def to_srgb(self, block: np.ndarray) -> np.ndarray:
        """Any (h, w, C) piece of `pixels` -> (h, w, 3) float32, sRGB-encoded values in 0..1.

        Colours outside sRGB are clipped to it.
        """
        return colour.to_srgb(block, self.icc)

    def from_srgb(self, values: np.ndarray) -> np.ndarray:
        """(h, w, 3) sRGB-encoded values in 0..1 -> (h, w, C) float32 on the scale of `pixels`.

        Not rounded. Undoes `to_srgb` for colours within sRGB to half an 8-bit step (the tables of
        Little CMS; two steps in near-black below 8/255), and exactly without a profile: carry
        differences over to `pixels`, not the values themselves.
        """
        top = int(np.iinfo(self.pixels.dtype).max)
        return colour.from_srgb(values, self.icc, self.pixels.shape[2], top)

    def with_pixels(self, pixels: np.ndarray) -> Photo:
        """The same photo with other pixels of the same shape and type."""
        if pixels.shape != self.pixels.shape or pixels.dtype != self.pixels.dtype:
            raise ValueError(
                f"pixels are {pixels.shape} {pixels.dtype}, "
                f"the photo's are {self.pixels.shape} {self.pixels.dtype}"
            )
        return replace(self, pixels=pixels)

    def to_pil(self) -> Image.Image:
        """An 8-bit sRGB Pillow image at full size: RGB, or RGBA when the photo has opacity."""
        image = Image.fromarray(self.srgb8())
        if self.opacity is not None:
            image.putalpha(Image.fromarray(eight_bit(self.opacity)))
        return image


def load(source: str | Path | bytes | Image.Image | np.ndarray) -> Photo:
    """Read a photo from a path, a file's bytes, a Pillow image or an array.

    Files are recognised by content, not by name. Arrays are (H, W), (H, W, 1-4) uint8 or uint16,
    sRGB, with alpha in the 2nd or 4th channel; arrays and Pillow images get the format "png".
    Raises PhotoError.
    """
    if isinstance(source, np.ndarray):
        return _decoded("the array", "png", lambda: _from_array(source))
    if isinstance(source, Image.Image):
        return _decoded("the image", "png", lambda: _from_pillow(source))
    path = None if isinstance(source, bytes) else Path(source)
    name = "the photo" if path is None else str(path)
    data = source if isinstance(source, bytes) else _read(Path(source))
    if not data:
        raise PhotoError(f"{name} is empty; use another copy of the file")
    format = _recognise(name, data)
    return replace(_decoded(name, format, lambda: _DECODERS[format](data)), path=path)


def named_as_photo(path: Path) -> bool:
    """Whether a file's ending is one that `save` knows."""
    return path.suffix.lower() in _ENDINGS


def save(photo: Photo, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write a photo in the format that the path's ending names; returns the path.

    The same format is written the way the source was: JPEG tables and subsampling, lossless WebP,
    TIFF compression, depth, profile, EXIF, XMP, alpha. The orientation tags become 1. The file
    appears under its name only when it is whole; on any failure nothing is left behind. The file
    the photo came from is never replaced. Raises PhotoError.
    """
    path = Path(path)
    format = check_ending(path)
    try:
        _check_target(photo, path, overwrite)
        data = _ENCODERS[format](_prepared(photo, format))
    except Refusal as refusal:
        raise PhotoError(f"{path} cannot be written: {refusal}") from refusal
    except DAMAGE as error:
        raise PhotoError(f"{path} cannot be written: {_one_line(error)}") from error
    _write(path, data)
    return path


def _decoded(name: str, format: Format, decode: Callable[[], Raster]) -> Photo:
    try:
        raster = decode()
    except Refusal as refusal:
        raise PhotoError(f"{name} {refusal}") from refusal
    except DAMAGE as error:
        # Only these say something about the file; the others tell which line of a library failed.
        telling = isinstance(error, OSError | SyntaxError | pyvips.Error)
        why = f" ({_one_line(error)})" if telling else ""
        raise PhotoError(
            f"{name} is damaged or cut short{why}; use another copy of the file"
        ) from error
    turned = raster.orientation
    return Photo(
        upright(raster.pixels, turned),
        None if raster.alpha is None else upright(raster.alpha, turned),
        format,
        raster.icc,
        raster.exif,
        raster.xmp,
        raster.encoding,
        turned=turned,
    )


def _from_array(array: np.ndarray) -> Raster:
    if array.dtype not in (np.uint8, np.uint16) or array.ndim not in (2, 3):
        raise Refusal(f"is {array.dtype} {array.shape}; give (H, W, C) uint8 or uint16")
    if array.ndim == 3 and not 1 <= array.shape[2] <= 4:
        raise Refusal(f"has {array.shape[2]} channels; give 1 (grey), 3 (RGB) or 4 (RGBA)")
    check_size(array.shape[1], array.shape[0])
    return Raster(*codecs.split(array.copy()))  # a copy: the caller may go on writing to theirs


def _from_pillow(image: Image.Image) -> Raster:
    check_size(*image.size)
    pixels, alpha = codecs.samples_of(image)
    blob = codecs.unprefixed(image.info.get("exif"))
    xmp = image.info.get("xmp")
    return Raster(
        pixels, alpha, image.info.get("icc_profile"), blob,
        xmp.encode() if isinstance(xmp, str) else xmp, exif.orientation(blob),
    )  # fmt: skip


def check_ending(path: Path) -> Format:
    """The format that a path's ending names. Raises PhotoError if it names none."""
    format = _ENDINGS.get(path.suffix.lower())
    if format is None:
        raise PhotoError(
            f"{path} has no known ending; use one of {', '.join(_ENDINGS)} to name the format"
        )
    return format


def ending_of(path: Path) -> str:
    """A photo's own ending; of a file whose ending names no format, or another one than it has,
    that of what is in it.

    Raises PhotoError where it is no photo at all.
    """
    named = _ENDINGS.get(path.suffix.lower())
    if named and not os.path.isfile(path):  # unlike the path's own, it raises nothing
        return path.suffix  # whoever opens it is told
    format = _recognise(str(path), _read(path, 64))
    if named == format:
        return path.suffix
    return next(ending for ending, named in _ENDINGS.items() if named == format)


def _recognise(name: str, data: bytes) -> Format:
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "webp"
    if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "tiff"
    if data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS and b"avif" not in data[8:64]:
        return "heif"
    raise PhotoError(
        f"{name} is not a photo that can be read; use a JPEG, PNG, WebP, TIFF or HEIC file"
    )


def _read(path: Path, count: int = -1) -> bytes:
    """All of a file, or the first `count` bytes."""
    try:
        with path.open("rb") as file:
            return file.read(count)
    except IsADirectoryError as error:
        raise PhotoError(f"{path} is a folder; name a photo in it") from error
    except FileNotFoundError as error:
        raise PhotoError(f"{path} does not exist; check the path") from error
    except PermissionError as error:
        raise PhotoError(f"{path} may not be read; change its permissions") from error
    except (OSError, ValueError) as error:  # ValueError: a path with a null byte
        raise PhotoError(f"{path!s} cannot be read ({_one_line(error)}); check the path") from error


def _prepared(photo: Photo, format: Format) -> Raster:
    """What the encoder of `format` is given: upright tags, and only what the format can hold."""
    longest = _LONGEST_SIDE.get(format)
    if longest and max(photo.width, photo.height) > longest:
        raise Refusal(f"{format} files hold {longest} pixels a side at most; save as PNG or TIFF")
    raster = Raster(
        photo.pixels,
        photo.alpha if format == photo.format else photo.opacity,
        photo.icc,
        exif.upright(photo.exif, photo.turned),
        exif.upright_xmp(photo.xmp, photo.turned),
        encoding=dict(photo.encoding) if format == photo.format else {},
    )
    if raster.encoding and format == "jpeg" and photo.turned in exif.SIDEWAYS:
        raster.encoding = codecs.lying(raster.encoding)
    if format in ("jpeg", "webp"):
        raster.pixels = eight_bit(raster.pixels)
        raster.alpha = None if raster.alpha is None else eight_bit(raster.alpha)
    if format == "jpeg" and raster.alpha is not None:
        raster.pixels, raster.alpha = over(raster.pixels, raster.alpha, background=255), None
    has_grey = format != "webp" and (format != "heif" or raster.alpha is None)
    if raster.pixels.shape[2] == 1 and not has_grey:  # a grey profile would not fit RGB
        top = np.iinfo(raster.pixels.dtype).max
        values = np.rint(colour.to_srgb(raster.pixels, raster.icc) * top)
        raster.pixels, raster.icc = values.astype(raster.pixels.dtype), None
    return raster


def _check_target(photo: Photo, path: Path, overwrite: bool) -> None:
    if not path.parent.is_dir():
        raise Refusal(f"the folder {path.parent} does not exist; create it first")
    if path.is_dir():
        raise Refusal("it is a folder; name a file")
    if not os.path.lexists(path):
        return
    source = photo.path
    if source is not None and path.exists() and source.exists() and path.samefile(source):
        raise Refusal("it is the photo being edited; choose another name")
    if not overwrite:
        raise Refusal("it already exists; choose another name or ask to overwrite it")


def _write(path: Path, data: bytes) -> None:
    part = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        try:
            with part.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
    except (OSError, ValueError) as error:  # ValueError: a path with a null byte
        reason = getattr(error, "strerror", None) or _one_line(error)
        raise PhotoError(
            f"{path} cannot be written: {reason}; choose another place or make room"
        ) from error


def upright(samples: np.ndarray, orientation: int) -> np.ndarray:
    """Undo an EXIF orientation (Exif 2.32, table 6); values outside 2..8 change nothing."""
    turns: dict[int, Callable[[np.ndarray], np.ndarray]] = {
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: np.rot90(a, -1),
        7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
        8: lambda a: np.rot90(a),
    }
    return np.ascontiguousarray(turns[orientation](samples) if orientation in turns else samples)


def _read_only(array: np.ndarray) -> np.ndarray:
    view = array.view()
    view.flags.writeable = False
    return view


def _one_line(error: BaseException) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:160]
