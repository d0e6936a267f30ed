"""The typing of hurried people: slips of the keyboard, texting, homophones, emoji.

Marks of quoted phrases (private-use characters) are never touched, so that phrases stay quoted.
"""

from __future__ import annotations

import random
import re

_WORD = re.compile(r"[A-Za-z][A-Za-z'’]*")
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_NEIGHBOURS = {
    letter: [
        row[at + step] for step in (-1, 1) if 0 <= at + step < len(row)
    ] + [other[at] for other in _ROWS if other is not row and at < len(other)]
    for row in _ROWS
    for at, letter in enumerate(row)
}  # fmt: skip
_TEXTING = {
    "you": "u", "your": "ur", "please": "pls", "thanks": "thx", "are": "r", "for": "4", "to": "2",
    "too": "2", "and": "n", "with": "w/", "because": "bc", "before": "b4", "picture": "pic",
    "without": "w/o", "want": "wanna", "going": "gonna", "okay": "k", "the": "da", "a lot": "alot",
    "about": "abt", "little": "lil", "really": "rly", "something": "smth", "photo": "foto",
    "though": "tho", "through": "thru", "right": "rite", "background": "bg", "that": "dat",
    "pimples": "pimps", "definitely": "def", "probably": "prolly", "see": "c",
}  # fmt: skip
_SOUNDS = {
    "pores": "pours", "moles": "moulds", "mole": "mold", "your": "you're", "their": "there",
    "its": "it's", "too": "to", "lose": "loose", "nose": "knows", "brows": "browse",
    "scar": "scare", "chin": "shin", "than": "then", "whole": "hole", "hair": "hare",
    "lines": "lions", "red": "read", "here": "hear", "wrinkles": "rinkles", "freckles": "frekles",
    "acne": "acme", "forehead": "fourhead", "cheek": "cheak", "cheeks": "cheecks",
    "blemishes": "blemeshes", "circles": "cirlces", "eyes": "eye's", "temples": "tempels",
    "stubble": "stuble", "pimple": "pimpel", "bit": "bite", "know": "no", "off": "of",
    "new": "knew", "more": "moor", "less": "lest", "four": "for",
}  # fmt: skip
_EMOJI = (
    "😊",
    "🙏",
    "😂",
    "😅",
    "😭",
    "❤️",
    "✨",
    "👍",
    "🔥",
    "😬",
    "🥺",
    "😍",
    "🙄",
    "💀",
    ":)",
    ":(",
    "xx",
    "lol",
    "haha",
    "!!",
    "...",
)


def disturb(text: str, rng: random.Random, share: float) -> str:
    """With chance `share` a badly typed `text`; else only everyday casing and punctuation."""
    if rng.random() < share:
        for spoil, chance in ((_slips, 0.6), (_texting, 0.3), (_sounds, 0.2), (_emoji, 0.15)):
            if rng.random() < chance:
                text = spoil(text, rng)
        if rng.random() < 0.5:
            text = re.sub(r"['’]", "", text)
        if rng.random() < 0.5:
            text = _unpunctuated(text)
    return _dressed(text, rng)


def _slips(text: str, rng: random.Random) -> str:
    """One to three keyboard slips in words of four letters or more."""
    words = [match for match in _WORD.finditer(text) if len(match.group()) > 3]
    rng.shuffle(words)
    chosen = sorted(words[: rng.choice((1, 1, 1, 2, 2, 3))], key=lambda match: -match.start())
    for match in chosen:
        text = text[: match.start()] + _slip(match.group(), rng) + text[match.end() :]
    return text


def _slip(word: str, rng: random.Random) -> str:
    at = rng.randrange(1, len(word))
    kind = rng.random()
    if kind < 0.3:
        return word[:at] + word[at + 1 :]
    if kind < 0.55 and at + 1 < len(word):
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    if kind < 0.7:
        return word[:at] + word[at] + word[at:]
    near = _NEIGHBOURS.get(word[at].lower())
    if not near:
        return word[:at] + word[at + 1 :]
    slipped = rng.choice(near)
    return word[:at] + slipped + word[at + (kind < 0.9) :]


def _replaced(text: str, table: dict[str, str], rng: random.Random, share: float) -> str:
    def swap(match: re.Match[str]) -> str:
        new = table.get(match.group().lower())
        return new if new is not None and rng.random() < share else match.group()

    return _WORD.sub(swap, text)


def _texting(text: str, rng: random.Random) -> str:
    return _replaced(text, _TEXTING, rng, 0.6)


def _sounds(text: str, rng: random.Random) -> str:
    return _replaced(text, _SOUNDS, rng, 0.5)


def _emoji(text: str, rng: random.Random) -> str:
    extra = rng.choice(_EMOJI)
    return f"{text} {extra}" if rng.random() < 0.8 else f"{extra} {text}"


def _unpunctuated(text: str) -> str:
    """As dictated: no commas, no full stops; decimal points stay."""
    return re.sub(r"\s+", " ", re.sub(r"[,;:!?]|\.(?!\d)", " ", text)).strip()


def _dressed(text: str, rng: random.Random) -> str:
    """Casing and the last sign, as people differ in them."""
    roll = rng.random()
    if roll < 0.4:
        text = text.lower()
    elif roll < 0.43:
        text = text.upper()
    elif roll < 0.75:
        text = re.sub(r"[A-Za-z]", lambda match: match.group().upper(), text, count=1)
    if text and text[-1].isalnum():
        text += rng.choices(("", ".", "!", "?", "!!", "..."), (10, 4, 1, 0.6, 0.2, 0.2))[0]
    return text
