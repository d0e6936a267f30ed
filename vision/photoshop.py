"""Photoshop's image resources, as JPEG and TIFF files carry them.

Each is a signature, a number, a name and a value, all padded to even lengths (Adobe Photoshop File
Formats Specification, "Image Resource Blocks"). Of all of them only the thumbnails matter: they
show the photo as it was.
"""

from __future__ import annotations

import struct

PREFIX = b"Photoshop 3.0\0"  # before the resources in a JPEG segment
SEGMENT = 65_533 - len(PREFIX)  # bytes of resources that one segment holds
_SIGNATURES = {b"8BIM", b"MeSa", b"AgHg", b"PHUT", b"DCSR"}
_THUMBNAILS = {1033, 1036}


def without_thumbnail(resources: bytes) -> bytes:
    """The same resources but thumbnails; what cannot be parsed comes back as it is."""
    kept, at = [], 0
    while at < len(resources):
        if resources[at : at + 4] not in _SIGNATURES or at + 7 > len(resources):
            return resources
        (number,) = struct.unpack_from(">H", resources, at + 4)
        named = at + 6 + (resources[at + 6] + 2) // 2 * 2
        if named + 4 > len(resources):
            return resources
        (length,) = struct.unpack_from(">I", resources, named)
        if named + 4 + length > len(resources):
            return resources
        end = named + 4 + (length + 1) // 2 * 2
        if number not in _THUMBNAILS:
            kept.append(resources[at:end])
        at = end
    return b"".join(kept)
