"""EXIF blobs and TIFF directories, read and written as raw entries.

An EXIF blob is a small TIFF file, so one reader serves both. Values are never interpreted: they
are carried byte for byte (turned little-endian), which keeps odd tags that a parser would drop.
Source: TIFF 6.0, section 2; BigTIFF; Exif 2.32, section 4.6.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

ORIENTATION, EXIF_IFD, GPS_IFD, INTEROP_IFD = 274, 34665, 34853, 40965
_POINTERS = {EXIF_IFD, GPS_IFD, INTEROP_IFD}
_SIZES_IN_PIXELS = (256, 257), (40962, 40963)  # across and down: of a TIFF, of a camera
_XMP_SIZES = (
    (b"exif:PixelXDimension", b"exif:PixelYDimension"), (b"tiff:ImageWidth", b"tiff:ImageLength"),
)  # fmt: skip
SIDEWAYS = (5, 6, 7, 8)  # orientations of pixels that lie on their side
# Streams of bytes, also where a writer calls them numbers, which must not be turned (IPTC).
_STREAMS = {33723}
# Tags of a first directory that describe the photo; every other one describes how a file is laid
# out (strips, colour encoding, ...) and would be wrong in another file.
DESCRIPTIVE = {
    269, 270, 271, 272, 282, 283, 285, 296, 305, 306, 315, 316, 18246, 18249, 33432,
    40091, 40092, 40093, 40094, 40095, EXIF_IFD, GPS_IFD,
}  # fmt: skip

# Bytes of one value, and of one number in it, by TIFF type.
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4,
          16: 8, 17: 8, 18: 8}  # fmt: skip
_UNITS = _SIZES | {5: 4, 10: 4}


class Malformed(ValueError):
    """These bytes are no TIFF structure."""


class Entry(NamedTuple):
    """One tag: its value as little-endian bytes, or the entries of the directory it points to."""

    tag: int
    kind: int
    value: bytes | tuple[Entry, ...]
    at: int = 0  # where the value stands in the data it was read from

    def numbers(self) -> tuple[int, ...]:
        """The value as unsigned integers."""
        assert isinstance(self.value, bytes)
        return tuple(int(n) for n in np.frombuffer(self.value, f"<u{_UNITS[self.kind]}"))


class Header(NamedTuple):
    order: str
    big: bool
    first: int


def read_header(data: bytes) -> Header:
    """Byte order, BigTIFF or not, and where the first directory stands."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 8:
        raise Malformed("no TIFF header")
    (magic,) = struct.unpack_from(order + "H", data, 2)
    if magic == 42:
        return Header(order, False, struct.unpack_from(order + "I", data, 4)[0])
    if magic == 43 and len(data) >= 16:
        return Header(order, True, struct.unpack_from(order + "Q", data, 8)[0])
    raise Malformed("no TIFF header")


def read_directory(
    data: bytes, at: int, header: Header, whole: bool = False
) -> tuple[list[Entry], int]:
    """The entries of the directory at byte `at` and where the next one stands (0: nowhere).

    Of a repeated tag the first counts; entries of an unknown type are left out, and so are those
    that point outside `data`, unless `whole`. Raises Malformed when the directory, or with
    `whole` one of its values, does not fit in the data.
    """
    order, big, _ = header
    count_code, entry_code, inline = ("Q", "HHQ", 8) if big else ("H", "HHI", 4)
    try:
        (count,) = struct.unpack_from(order + count_code, data, at)
        start, step = at + struct.calcsize("<" + count_code), 20 if big else 12
        if count * step > len(data):
            raise Malformed("directory longer than the data")
        entries: dict[int, Entry] = {}
        for place in range(start, start + count * step, step):
            tag, kind, length = struct.unpack_from(order + entry_code, data, place)
            size = _SIZES.get(kind, 0) * length
            where = place + step - inline
            if size > inline:
                (where,) = struct.unpack_from(order + ("Q" if big else "I"), data, where)
            inside = where + size <= len(data)
            if whole and not inside:
                raise Malformed(f"the value of tag {tag} is missing")
            if size and inside and tag not in entries:
                value = bytes(data[where : where + size])
                kind = 7 if tag in _STREAMS else kind
                entries[tag] = Entry(tag, kind, _little_endian(value, kind, order), where)
        (following,) = struct.unpack_from(order + ("Q" if big else "I"), data, start + count * step)
    except struct.error as error:
        raise Malformed("directory outside the data") from error
    return list(entries.values()), following


def descriptive(data: bytes) -> tuple[Entry, ...]:
    """What the first directory of a TIFF file or EXIF blob says about the photo, with the EXIF
    and GPS directories below it; nothing where it cannot be parsed."""
    try:
        header = read_header(data)
        entries, _ = read_directory(data, header.first, header)
    except Malformed:
        return ()
    return tuple(_nested(data, e, header) for e in entries if e.tag in DESCRIPTIVE)


def _nested(data: bytes, entry: Entry, header: Header, depth: int = 0) -> Entry:
    if entry.tag not in _POINTERS:
        return entry
    below = _below(data, entry, header) if depth <= 1 else []  # some lead round in circles
    return Entry(entry.tag, 4, tuple(_nested(data, e, header, depth + 1) for e in below))


def _below(data: bytes, entry: Entry, header: Header) -> list[Entry]:
    """The entries of the directory that an entry points to; none where it cannot be parsed."""
    try:
        return read_directory(data, entry.numbers()[0], header)[0]
    except Malformed:
        return []


def write_directory(entries: tuple[Entry, ...], at: int) -> bytes:
    """Lay entries out as a little-endian directory that will stand at byte `at` of a file."""
    unique = {e.tag: e for e in entries if e.value}
    table = struct.pack("<H", len(unique))
    body_at = at + 2 + 12 * len(unique) + 4
    body = b""
    for entry in sorted(unique.values(), key=lambda e: e.tag):
        here = body_at + len(body)
        if isinstance(entry.value, tuple):
            table += struct.pack("<HHII", entry.tag, 4, 1, here)
            body += write_directory(entry.value, here)
            continue
        table += struct.pack("<HHI", entry.tag, entry.kind, len(entry.value) // _SIZES[entry.kind])
        if len(entry.value) > 4:
            table += struct.pack("<I", here)
            body += entry.value + b"\0" * (len(entry.value) % 2)
        else:
            table += entry.value.ljust(4, b"\0")
    return table + b"\0\0\0\0" + body


def blob(entries: tuple[Entry, ...]) -> bytes:
    """Entries as an EXIF blob."""
    return b"II*\0\x08\0\0\0" + write_directory(entries, 8)


def orientation(exif: bytes | None) -> int:
    """The EXIF orientation, 1 to 8; 1 where there is none or it makes no sense."""
    try:
        header = read_header(exif or b"")
        entries, _ = read_directory(exif or b"", header.first, header)
    except Malformed:
        return 1
    found = [e.numbers()[0] for e in entries if e.tag == ORIENTATION and e.kind in (3, 4)]
    return found[0] if found and 1 <= found[0] <= 8 else 1


def upright(exif: bytes | None, turned: int = 1) -> bytes | None:
    """The same blob for pixels `turned` upright from that orientation: orientation 1, width and
    height as they are now, and no thumbnail.

    Patched in place, so that maker notes, which hold absolute offsets, stay readable. The
    thumbnail shows the photo as it was before, perhaps lying on its side, so its directory is
    unlinked.
    """
    if exif is None:
        return None
    try:
        header = read_header(exif)
        entries, _ = read_directory(exif, header.first, header)
    except Malformed:
        return exif
    patched = bytearray(exif)
    for entry in entries:
        if entry.tag == ORIENTATION:
            _overwrite(patched, entry, 1, header)
        if entry.tag == EXIF_IFD and turned in SIDEWAYS:
            _swap_sizes(patched, _below(exif, entry, header), header)
    if turned in SIDEWAYS:
        _swap_sizes(patched, entries, header)
    (count,) = struct.unpack_from(header.order + "H", exif, header.first)
    if not header.big:
        struct.pack_into(header.order + "I", patched, header.first + 2 + 12 * count, 0)
    return bytes(patched)


def _swap_sizes(blob: bytearray, entries: Iterable[Entry], header: Header) -> None:
    """Exchange width and height, where a directory has both."""
    by_tag = {entry.tag: entry for entry in entries}
    for pair in _SIZES_IN_PIXELS:
        if set(pair) <= by_tag.keys():
            for tag, other in zip(pair, reversed(pair), strict=True):
                _overwrite(blob, by_tag[tag], by_tag[other].numbers()[0], header)


def _overwrite(blob: bytearray, entry: Entry, number: int, header: Header) -> None:
    """Write another number in an entry's place."""
    if entry.kind in (3, 4):
        struct.pack_into(header.order + {3: "H", 4: "I"}[entry.kind], blob, entry.at, number)


def upright_xmp(xmp: bytes | None, turned: int = 1) -> bytes | None:
    """The same packet for pixels `turned` upright from that orientation: every tiff:Orientation is
    1, and width and height are as they are now."""
    if xmp is None:
        return None
    xmp = re.sub(_xmp_number(b"tiff:Orientation"), rb"\g<1>1", xmp)
    if turned in SIDEWAYS:
        for names in _XMP_SIZES:
            patterns = [_xmp_number(name) for name in names]
            found = [re.search(pattern, xmp) for pattern in patterns]
            if found[0] and found[1]:
                for pattern, other in zip(patterns, (found[1], found[0]), strict=True):
                    xmp = re.sub(pattern, rb"\g<1>" + other[2], xmp)
    return xmp


def _xmp_number(name: bytes) -> bytes:
    """A pattern for a property's name and what stands before its number, and for the number."""
    return rb"(" + name + rb"(?:\s*=\s*[\"']|\s*>\s*))(\d+)"


def _little_endian(value: bytes, kind: int, order: str) -> bytes:
    unit = _UNITS[kind]
    if order == "<" or unit == 1:
        return bytes(value)
    return np.frombuffer(value, f">u{unit}").astype(f"<u{unit}").tobytes()
