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
# Places of a photo rather than of one of its faces.
FACELESS: tuple[Region, ...] = ("background", "image")

# "blemishes" names no kind: it stands for these together.
BLEMISHES: tuple[Kind, ...] = ("acne", "scars", "dark_spots", "redness")

# Kinds the network has a channel for, in their order. ("none", nobody owns the pixel, is the
# channel after the last of them.)
NETWORK_KINDS: tuple[Kind, ...] = (
    "acne", "freckles", "moles", "dark_spots", "wrinkles", "dark_circles", "redness", "shine",
    "scars", "eye_bags", "pores", "uneven_tone", "stubble", "yellow_teeth",
)  # fmt: skip

# Of these, kinds that the shipped weights find too rarely on faces they never saw (average
# precision about 0.3, a fifth of what is painted taken): asked for one, Freckle says that it cannot
# see it yet, not that there is none.
UNRELIABLE_KINDS: tuple[Kind, ...] = ("scars",)

# Kinds that can be asked for.
LEARNT_KINDS: tuple[Kind, ...] = tuple(k for k in NETWORK_KINDS if k not in UNRELIABLE_KINDS)

# Kinds whose marks are small or thin: their edges are finer than a 512-px crop of a large photo.
FINE_KINDS: tuple[Kind, ...] = (
    "acne", "freckles", "moles", "dark_spots", "wrinkles", "scars", "pores", "stubble",
)  # fmt: skip

# What skin is like all over rather than marks on it: a face that shows them is bare skin still.
SKIN_KINDS: tuple[Kind, ...] = ("pores", "uneven_tone")

# Kinds that are on the teeth; all others are on the skin.
TEETH_KINDS: tuple[Kind, ...] = ("yellow_teeth",)

# Part of a person rather than a flaw: kept by `auto` unless the user names them.
PERMANENT_KINDS: tuple[Kind, ...] = ("freckles", "moles", "scars", "stubble")


def default_region(kind: str) -> Region:
    """Region meant when the user names a kind and no place (commands.md, "Default region")."""
    if kind in ("dark_circles", "eye_bags"):
        return "under_eyes"
    return "teeth" if kind == "yellow_teeth" else "face"


def expand_kind(kind: Kind) -> tuple[Kind, ...]:
    """The kinds that a name stands for: `blemishes` is a group, every other kind is itself."""
    return BLEMISHES if kind == "blemishes" else (kind,)
