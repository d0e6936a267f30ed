"""The words shared by every room: kinds of imperfection, regions of a portrait, tone attributes.

Only names and facts about them live here, so that language, memory and pages can import it
without loading a single model.
"""

from __future__ import annotations

from typing import Literal, get_args

Kind = Literal[
    "acne", "scars", "wrinkles", "dark_circles", "eye_bags", "freckles", "moles", "dark_spots",
    "redness", "shine", "pores", "uneven_tone", "stubble", "yellow_teeth", "blemishes", "other",
]  # fmt: skip
Region = Literal[
    "face", "skin", "forehead", "between_brows", "temples", "eyes", "under_eyes", "crows_feet",
    "nose", "cheeks", "smile_lines", "upper_lip", "lips", "mouth", "chin", "jaw", "ears", "neck",
    "teeth", "hair", "t_zone", "background", "image",
]  # fmt: skip
Side = Literal["left", "right", "photo_left", "photo_right"]
ToneAttribute = Literal["brightness", "contrast", "temperature", "colorfulness"]

KINDS: tuple[Kind, ...] = get_args(Kind)
REGIONS: tuple[Region, ...] = get_args(Region)
SIDES: tuple[Side, ...] = get_args(Side)
TONE_ATTRIBUTES: tuple[ToneAttribute, ...] = get_args(ToneAttribute)

# "blemishes" names no kind: it stands for these together.
BLEMISHES: tuple[Kind, ...] = ("acne", "scars", "dark_spots", "redness")

# Kinds the shipped detector has been taught, in the order of its output channels.
# ("none", nobody owns the pixel, is the channel after the last of them.)
LEARNT_KINDS: tuple[Kind, ...] = (
    "acne", "freckles", "moles", "dark_spots", "wrinkles", "dark_circles", "redness", "shine",
)  # fmt: skip

# Kinds whose marks are small or thin: their edges are finer than a 512-px crop of a large photo.
FINE_KINDS: tuple[Kind, ...] = ("acne", "freckles", "moles", "dark_spots", "wrinkles")

# Part of a person rather than a flaw: kept by `auto` unless the user names them.
PERMANENT_KINDS: tuple[Kind, ...] = ("freckles", "moles", "scars")


def default_region(kind: str) -> Region:
    """Region meant when the user names a kind and no place (commands.md, "Default region")."""
    if kind in ("dark_circles", "eye_bags"):
        return "under_eyes"
    return "teeth" if kind == "yellow_teeth" else "face"


def expand_kind(kind: Kind) -> tuple[Kind, ...]:
    """The kinds that a name stands for: `blemishes` is a group, every other kind is itself."""
    return BLEMISHES if kind == "blemishes" else (kind,)
