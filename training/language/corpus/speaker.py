"""Noun phrases, places, numbers and strengths, as one imagined user says them.

A `Speaker` is one user in one conversation: random numbers, the state, and taste (a determiner of
choice, English or American percent signs). Phrases that commands quote are marked in the text by
pairs of private-use characters, which survive noise and are taken out by `samples`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from llm.commands import State
from llm.sequences import Spoken
from training.language.corpus import fragments
from vision.vocabulary import KINDS, Region, default_region

Draft = dict[str, Any]
MARK = 0xE000

_COMMON = {
    "acne": 5, "scars": 2, "wrinkles": 5, "dark_circles": 4, "eye_bags": 3, "freckles": 4,
    "moles": 4, "dark_spots": 4, "redness": 4, "shine": 4, "pores": 3, "uneven_tone": 2,
    "stubble": 2, "yellow_teeth": 2, "blemishes": 3, "other": 4,
}  # fmt: skip
_SKIN_REGIONS: tuple[Region, ...] = (
    "forehead", "between_brows", "temples", "nose", "cheeks", "upper_lip", "chin", "jaw", "neck",
    "mouth", "t_zone", "ears", "eyes", "under_eyes", "crows_feet", "smile_lines", "lips", "face",
    "skin",
)  # fmt: skip
_LIKELY: tuple[Region, ...] = ("forehead", "nose", "cheeks", "chin", "neck", "jaw", "under_eyes")
# Places said with another preposition than "on".
_DIRECT: dict[str, tuple[str, ...]] = {
    "under_eyes": ("under my eyes", "below my eyes", "under the eyes", "beneath her eyes",
                   "underneath my eyes", "below the lower lashes", "under his eyes"),
    "between_brows": ("between my brows", "between the eyebrows", "in between my eyebrows",
                      "above my nose between the brows", "betwixt the brows"),
    "upper_lip": ("above my lip", "above the upper lip", "over my lip", "between nose and lip"),
    "mouth": ("around my mouth", "round the mouth", "near my mouth", "at the corners of my mouth",
              "around her lips"),
    "crows_feet": ("at the corners of my eyes", "next to my eyes", "beside the eyes",
                   "at the outer corners of my eyes"),
    "eyes": ("around my eyes", "around the eyes", "near my eyes", "by my eyes"),
    "smile_lines": ("beside my nose and mouth", "along the laugh lines", "in the smile lines",
                    "between nose and mouth corners"),
    "jaw": ("along my jaw", "along the jawline", "down my jawline", "under my jaw"),
    "temples": ("at my temples", "at the temples", "by the temples"),
    "nose": ("around my nose", "across my nose", "by my nose", "at the sides of my nose"),
    "face": ("all over my face", "everywhere on the face", "across my face"),
    "skin": ("all over my skin", "on face and neck", "everywhere there's skin"),
    "image": ("in the whole photo", "overall", "everywhere in the picture"),
}  # fmt: skip
# How one side of a region is called; {s} is "my left" and the like, {d} "left", {m} "my".
_SIDED: dict[str, tuple[str, ...]] = {
    "cheeks": ("{s} cheek", "{s} cheekbone", "{d} cheek", "the cheek on {s} side"),
    "under_eyes": ("under {s} eye", "below {s} eye", "beneath {s} eye"),
    "eyes": ("around {s} eye", "{s} eye area", "by {s} eye"),
    "temples": ("{s} temple", "{d} temple"),
    "ears": ("{s} ear", "{s} earlobe", "{d} ear"),
    "crows_feet": ("at the corner of {s} eye", "the outer corner of {s} eye"),
    "smile_lines": ("{s} smile line", "{s} nasolabial fold", "{s} laugh line"),
    "jaw": ("{s} jaw", "the {d} side of {m} jaw", "{s} jawline"),
    "forehead": ("the {d} side of {m} forehead", "the {d} half of the forehead"),
    "nose": ("the {d} side of {m} nose", "{s} nostril"),
    "chin": ("the {d} side of {m} chin",),
    "neck": ("the {d} side of {m} neck",),
    "face": ("the {d} side of {m} face", "the {d} half of my face", "{s} side"),
    "mouth": ("the {d} corner of {m} mouth",),
}  # fmt: skip
_IN_PHOTO: dict[str, tuple[str, ...]] = {
    "cheeks": ("the cheek",), "under_eyes": ("under the eye",), "temples": ("the temple",),
    "ears": ("the ear",), "eyes": ("around the eye",), "face": ("the side of the face",),
    "jaw": ("the jaw",), "forehead": ("the side of the forehead",),
}  # fmt: skip
_PREPOSITION_STARTS = (
    "under ", "below ", "beneath ", "around ", "by ", "at ", "above ", "over ", "between ",
    "along ", "across ", "next ", "beside ", "near ", "in ", "all ", "everywhere", "overall",
    "round ", "underneath ", "betwixt ", "down ", "on ", "behind ",
)  # fmt: skip
_TENS_WORDS = {
    5: "five", 10: "ten", 15: "fifteen", 20: "twenty", 25: "twenty five", 30: "thirty",
    35: "thirty five", 40: "forty", 45: "forty-five", 50: "fifty", 55: "fifty five", 60: "sixty",
    65: "sixty five", 70: "seventy", 75: "seventy five", 80: "eighty", 85: "eighty-five",
    90: "ninety", 95: "ninety five", 100: "a hundred",
}  # fmt: skip
_PARTS = {
    0.5: ("half", "half", "one half"),
    0.25: ("a quarter", "one quarter"),
    0.75: ("three quarters", "three-quarters"),
    0.33: ("a third", "one third"),
    0.67: ("two thirds", "two-thirds"),
    0.2: ("one fifth", "one-fifth"),
    0.4: ("two fifths",),
    0.6: ("three fifths",),
    0.8: ("four fifths", "four-fifths"),
    0.1: ("one tenth",),
    0.3: ("three tenths",),
    0.7: ("seven tenths",),
    0.9: ("nine tenths",),
}  # fmt: skip
_ADJECTIVES = (
    "ugly", "nasty", "annoying", "horrible", "stupid", "little", "awful", "tiny", "big", "damn",
    "bloody", "pesky", "visible", "obvious", "terrible", "ghastly", "few", "unsightly", "darn",
    "faint", "deep", "small", "old", "new", "weird", "gross", "prominent", "distracting",
)  # fmt: skip


@dataclass
class Utterance:
    """Some words and what they ask for; `standing` says that "from now on" may go around it."""

    text: str
    drafts: list[Draft]
    standing: bool = False


@dataclass
class Thing:
    """A noun phrase: what, and where it is."""

    text: str
    draft: Draft


@dataclass
class Speaker:
    """One user: draws every choice from `rng`, knows the `state` of the conversation."""

    rng: random.Random
    state: State = field(default_factory=State)
    marks: int = 0

    def __post_init__(self) -> None:
        self.data = fragments.load()
        self.my = self.pick(["my", "my", "my", "the", "the", "her", "his"])

    def pick(self, options: Sequence[Any]) -> Any:
        return options[int(self.rng.random() * len(options))]

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def phrase(self, *path: str) -> str:
        """A fragment by its path of keys."""
        node: Any = self.data
        for key in path:
            node = node[key]
        return self.pick(node)

    def frame(self, name: str, key: str | None = None) -> Any:
        """A frame of ../fragments/frames.json, by name (and key, where it has lists by key)."""
        return self.phrase("frames", name) if key is None else self.phrase("frames", name, key)

    def marked(self, text: str, draft: Draft) -> str:
        """Mark words as the ones that `draft` quotes."""
        draft["mark"] = self.marks
        opening, closing = chr(MARK + 2 * self.marks), chr(MARK + 2 * self.marks + 1)
        self.marks += 1
        return f"{opening}{text}{closing}"

    def kind(self) -> str:
        return self.rng.choices(KINDS, [_COMMON[kind] for kind in KINDS])[0]

    def kinds(self, count: int) -> list[str]:
        """Different kinds."""
        found: list[str] = []
        while len(found) < count:
            kind = self.kind()
            if kind not in found:
                found.append(kind)
        return found

    def region(self) -> Region:
        return self.pick(_LIKELY if self.chance(0.5) else _SKIN_REGIONS)

    def noun(self, kind: str) -> str:
        """A kind as the user calls it, with determiner or without."""
        text = self.phrase("kinds", kind)
        roll = self.rng.random()
        if roll < 0.12:
            return fragments.bare(text)
        if roll < 0.2 and fragments.bare(text) != text:
            return f"{self.my} {fragments.bare(text)}"
        if roll < 0.26 and text.startswith(("the ", "my ", "those ")):
            head, rest = text.split(" ", 1)
            return f"{head} {self.pick(_ADJECTIVES)} {rest}"
        return text

    def place_name(self, region: str) -> str:
        """A region as a noun phrase: "my chin"."""
        text = self.phrase("regions", region)
        if self.chance(0.35) and fragments.bare(text) != text:
            return f"{self.my} {fragments.bare(text)}"
        return text

    def place(self, region: str) -> str:
        """A region with its preposition: "on my chin", "under my eyes"."""
        if region in _DIRECT and self.chance(0.5):
            return self.pick(_DIRECT[region])
        prepositions = ["on", "on", "on", "on", "around", "from"]
        if region in ("nose", "cheeks", "forehead", "chin"):
            prepositions.append("across")
        return f"{self.pick(prepositions)} {self.place_name(region)}"

    def _side_after(self, draft: Draft) -> str:
        """A place, and then its side: "on my cheek, the left one"."""
        draft["where"] = [region := self.pick(list(_IN_PHOTO))]
        draft["side"] = side = self.pick(("left", "right", "photo_left", "photo_right"))
        if side.startswith("photo"):
            after = f"{self.pick((', the one ', ', ', ' '))}{self.phrase('sides', side)}"
        else:
            after = self.frame("side_after").replace("{d}", side)
        return f"{self.place(region)}{after}"

    def sided(self, draft: Draft) -> str:
        """A place on one side; sets `where` and `side`."""
        side = self.pick(["left", "right", "left", "right", "photo_left", "photo_right"])
        words = self.phrase("sides", side)
        if side.startswith("photo"):
            region = self.pick(list(_IN_PHOTO))
            text = f"{self.pick(_IN_PHOTO[region])} {words}"
            bare_words = words.split()
            if len(bare_words) == 1 or words in ("camera left", "camera right"):
                text = self.pick([text, f"the {words} {region.rstrip('s')}".replace("_", "-")])
        else:
            region = self.pick(list(_SIDED))
            my = self.pick([self.my, "the", "my"])
            text = self.pick(_SIDED[region]).format(
                s=self.pick([words, words, f"the {side}", f"my {side}"]), d=side, m=my
            )
        draft |= {"where": [region], "side": side}
        return text if text.startswith(_PREPOSITION_STARTS) else f"on {text}"

    def where(self, draft: Draft, *, plain: float = 0.45) -> str:
        """A spoken place for a draft, or "" (no place) with chance `plain`."""
        roll = self.rng.random()
        if roll < plain:
            return ""
        if roll < plain + 0.1:
            return self.sided(draft)
        if roll < plain + 0.13:
            return self._side_after(draft)
        if roll < plain + 0.2:
            regions = self.regions(self.pick([2, 2, 2, 3]))
            draft["where"] = regions
            names = [self.place_name(region) for region in regions]
            if self.chance(0.4):
                names = [names[0], *(fragments.bare(name) for name in names[1:])]
            return f"{self.pick(['on', 'on', 'from', 'around'])} {self.series(names)}"
        draft["where"] = [region := self.region()]
        return self.place(region)

    def regions(self, count: int) -> list[Region]:
        found: list[Region] = []
        while len(found) < count:
            region = self.region()
            if region not in found:
                found.append(region)
        return found

    def series(self, parts: Sequence[str]) -> str:
        """A, B and C."""
        if len(parts) == 1:
            return parts[0]
        last = self.pick([" and ", " and ", " and ", ", ", " & ", " plus ", ", and ", " + "])
        return self.pick([", ", ", ", ", ", " and ", " "]).join(parts[:-1]) + last + parts[-1]

    def thing(self, kind: str | None = None, *, plain: float = 0.45, mark: bool = True) -> Thing:
        """A kind with or without a place, on any face."""
        kind = kind or self.kind()
        draft: Draft = {"what": kind}
        text = self.noun(kind)
        implied = fragments.implied_region(kind, text)
        if implied is not None:
            draft["where"] = [implied]
        place = self._own_place(kind, text, draft, plain)
        around: Callable[[str], str] = (lambda t: self.marked(t, draft)) if mark else str
        of_face = self.chance(0.05 if self.state.faces < 2 else 0.25)
        if of_face and self.chance(0.35) and (whose := self.whose(draft)):
            return Thing(f"{whose} {around(fragments.bare(text))} {place}".rstrip(), draft)
        if place.startswith("on ") and len(draft.get("where", ())) == 1 and self.chance(0.15):
            text = around(self._compound(text, draft))
        elif place:
            text = f"{around(text)} {place}"
        else:
            text = around(text)
        if of_face:
            text = self.with_face(text, draft)
        return Thing(text, draft)

    def _own_place(self, kind: str, text: str, draft: Draft, plain: float) -> str:
        """A place that makes sense for the kind: teeth have none, bags only a side."""
        if not fragments.takes_place(kind, text) or kind == "yellow_teeth":
            return ""
        if default_region(kind) != "under_eyes":
            return self.where(draft, plain=plain)
        if not self.chance(0.15):
            return ""
        side = self.pick(("left", "right"))
        draft |= {"where": ["under_eyes"], "side": side}
        eye = f"{self.pick((self.phrase('sides', side), 'the ' + side))} eye"
        return f"{self.pick(('under', 'below', 'on', 'of', 'beneath'))} {eye}"

    def _compound(self, text: str, draft: Draft) -> str:
        """The region in front of the kind: "forehead lines"."""
        region = draft["where"][0]
        place = fragments.bare(self.phrase("regions", region))
        side = draft.get("side")
        if side in ("left", "right"):
            place = f"{side} {region.rstrip('s').replace('_', ' ')}"
        elif side is not None or " " in place:
            place = region.replace("_", "-" if region == "t_zone" else " ")
            draft.pop("side", None)
        return f"{self.my} {place} {fragments.bare(text)}"

    def face(self) -> tuple[str, Any]:
        """Words for one of several faces, and what they mean."""
        key = self.pick(list(self.data["who"]))
        if key == "everyone" and self.chance(0.2):
            many = self.pick(("3", "three", "4", "four", "five", "2", "two"))
            return self.frame("many_faces").replace("{n}", many), key
        words = self.phrase("who", key)
        return (fragments.bare(words) if self.chance(0.15) else words), int(
            key
        ) if key.isdigit() else key

    def with_face(self, text: str, draft: Draft) -> str:
        words, who = self.face()
        draft["who"] = who
        joint = self.pick(["on", "on", "for", "of", "from"])
        return f"{text} {joint} {words}"

    def whose(self, draft: Draft) -> str:
        """Words for one of several faces as owner of what follows; "" where English has none."""
        words, who = self.face()
        if words.endswith((" us", " them")):
            return ""
        draft["who"] = who
        return f"{words}'" if words.endswith("s") else f"{words}'s"

    def number(self) -> tuple[str, Spoken]:
        """A share of 1 as a user would write it."""
        roll = self.rng.random()
        percent = self.pick(
            [10, 20, 25, 30, 40, 50, 60, 70, 75, 80, 90, 5 * self.rng.randint(1, 19)]
        )
        if roll < 0.08:
            common = list(_PARTS)[:5]
            share = self.pick(common if self.chance(0.7) else list(_PARTS))
            return self.pick(_PARTS[share]), Spoken(share)
        if roll < 0.25:
            percent = self.rng.randint(3, 99)
        if roll < 0.38 and percent in _TENS_WORDS:
            unit = self.pick([" percent", " percent", " per cent", "", "%"])
            return _TENS_WORDS[percent] + unit, Spoken(percent / 100)
        if roll < 0.5:
            decimal = f"{percent / 100:g}"
            return self.pick([decimal, decimal, decimal.lstrip("0")]), Spoken(percent / 100)
        if roll < 0.53:
            return f"{percent // 10 or 1}/10", Spoken((percent // 10 or 1) / 10)
        unit = self.pick(["%", "%", "%", " %", " percent", "", "", " pct"])
        return f"{percent}{unit}", Spoken(percent / 100)

    def kept_or(self, kinds: Sequence[str]) -> str:
        return self.pick(kinds) if kinds else self.kind()
