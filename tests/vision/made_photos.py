"""Photos made for tests: profiles, metadata and containers of every sort."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pillow_heif
from PIL import Image, ImageCms

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
PRIMARIES = {  # columns: red, green, blue in D50 XYZ
    "prophoto": (
        ((0.7977, 0.2880, 0.0000), (0.1352, 0.7119, 0.0000), (0.0313, 0.0001, 0.8249)), 1.8,
    ),
    "adobe": (
        ((0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446)), 2.2,
    ),
}  # fmt: skip
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6" dc:title="Mia">'
    b"<tiff:Orientation>8</tiff:Orientation></rdf:Description></x:xmpmeta>"
)


def profile(name: str) -> bytes:
    """A matrix (or, for "grey", a curve) ICC profile, version 2.4, built by hand."""

    def s15(*values: float) -> bytes:
        return b"".join(struct.pack(">i", round(v * 65536)) for v in values)

    def xyz(*values: float) -> bytes:
        return b"XYZ \0\0\0\0" + s15(*values)

    grey = name == "grey"
    colorants, gamma = ((), 1.8) if grey else PRIMARIES[name]
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    tags = {b"desc": b"desc\0\0\0\0\0\0\0\x02x\0" + bytes(80), b"wtpt": xyz(0.9642, 1, 0.8249)}
    tags |= {b"kTRC": curve} if grey else {c + b"TRC": curve for c in (b"r", b"g", b"b")}
    tags |= {c + b"XYZ": xyz(*v) for c, v in zip((b"r", b"g", b"b"), colorants, strict=False)}
    at, table, body = 132 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for tag, value in tags.items():
        value += b"\0" * (-len(value) % 4)
        table += tag + struct.pack(">II", at + len(body), len(value))
        body += value
    header = struct.pack(">I", at + len(body)) + b"lcms\x02\x40\0\0mntr"
    header += (b"GRAY" if grey else b"RGB ") + b"XYZ " + bytes(12) + b"acsp" + bytes(28)
    header += s15(0.9642, 1, 0.8249)
    return header.ljust(128, b"\0") + table + body


def scanner_profile() -> bytes:
    """A table from RGB to Lab, version 2.4, and none back, as scanners have it."""
    grid = np.stack(np.meshgrid([0, 1], [0, 1], [0, 1], indexing="ij"), -1).reshape(-1, 3)
    lab = np.stack([255 * grid.mean(axis=1), *(128 + 60 * (grid[:, :2] - grid[:, 1:])).T], axis=1)
    ramp = bytes(range(256)) * 3
    table = (
        b"mft1\0\0\0\0"
        + bytes([3, 3, 2, 0])
        + struct.pack(">9i", *(65536 * (i == j) for i in range(3) for j in range(3)))
    )
    table += ramp + lab.round().astype(np.uint8).tobytes() + ramp
    tags = {b"desc": b"desc\0\0\0\0\0\0\0\x02x\0" + bytes(80), b"A2B0": table}
    at, index, body = 132 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for tag, value in tags.items():
        value += b"\0" * (-len(value) % 4)
        index += tag + struct.pack(">II", at + len(body), len(value))
        body += value
    header = struct.pack(">I", at + len(body)) + b"lcms\x02\x40\0\0scnrRGB Lab "
    header += bytes(12) + b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + index + body


def scene(height: int = 48, width: int = 64, channels: int = 3, bits: int = 8) -> np.ndarray:
    """A smooth picture that is different at every corner."""
    y, x = np.mgrid[:height, :width] / max(height, width)
    planes = np.stack([x, y, (x + y) / 2, 1 - y / 2], axis=-1)[..., :channels]
    top = 2**bits - 1
    return np.rint(planes * top).astype(np.uint8 if bits == 8 else np.uint16)


def exif_bytes(orientation: int = 1, order: str = "<") -> bytes:
    """IFD0 with camera, orientation and EXIF directory, and IFD1 with a thumbnail."""
    exif = Image.Exif()
    exif.endian = order
    exif[0x010F], exif[0x0112], exif[0x8298] = "Zeiss", orientation, "© Mia"
    exif.get_ifd(0x8769)[0x829A] = 0.004
    exif.get_ifd(0x8769)[0x927C] = b"maker note"
    exif.get_ifd(0x8825)[0x0001] = "N"
    blob = bytearray(exif.tobytes().removeprefix(b"Exif\0\0"))
    at = struct.unpack_from(order + "I", blob, 4)[0]
    (count,) = struct.unpack_from(order + "H", blob, at)
    struct.pack_into(order + "I", blob, at + 2 + 12 * count, len(blob))
    return bytes(blob) + struct.pack(order + "HHHIII", 1, 0x0201, 4, 1, 8, 0)


def read_back(path: Path) -> Image.Image:
    """The file as another program sees it."""
    return pillow_heif.open_heif(path).to_pillow() if path.suffix == ".heic" else Image.open(path)


def heic(**options) -> bytes:
    out = io.BytesIO()
    pillow_heif.encode("RGB", (64, 48), scene().tobytes(), out, quality=95, **options)
    return out.getvalue()
