"""The two questions the agent asks, and how their answers are read.

Both are closed: an answer is taken for one only when every word of it belongs to one, so that a
new wish is never mistaken for it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.scene import Box, named_faces
from agent.words import listed, sentence, wish
from llm.commands import Turn, Who

# Below this confidence of the parser nothing is done before the user has said yes: an edit that
# was not asked for costs more than a question.
ASK_BELOW = 0.3
# What can be done on a doubtful reading, since it changes nothing and forgets nothing.
HARMLESS = {"show", "explain", "help", "chat", "unsupported"}

_YES = {
    "yes", "y", "yep", "yeah", "yup", "ok", "okay", "sure", "correct", "right", "exactly",
    "please", "do", "it", "that", "so",
}  # fmt: skip
_NO = {
    "no", "n", "nope", "not", "that", "never", "mind", "nothing", "stop", "don't", "dont",
    "cancel",
}  # fmt: skip
_FILLERS = {
    "the", "and", "a", "one", "ones", "person", "face", "faces", "on", "of", "in", "at", "to",
    "from", "my", "me", "it", "is", "it's", "its", "that's", "just", "only", "please",
    "photo", "picture", "side", "woman", "man", "girl", "boy", "guy", "lady", "her", "him",
    "them", "number",
}  # fmt: skip
_WHO: dict[str, Who] = {
    "left": "photo_left", "leftmost": "photo_left", "right": "photo_right",
    "rightmost": "photo_right", "middle": "middle", "center": "middle", "centre": "middle",
    "largest": "largest", "biggest": "largest", "closest": "largest", "smallest": "smallest",
    "everyone": "everyone", "everybody": "everyone", "all": "everyone", "both": "everyone",
    "each": "everyone", "first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5,
    "two": 2, "three": 3, "four": 4, "five": 5,
}  # fmt: skip


@dataclass(frozen=True)
class WhichFace:
    """ "Which face do you mean?", asked once a photo."""

    turn: Turn
    faces: tuple[int, ...]

    @property
    def text(self) -> str:
        numbers = listed(str(face + 1) for face in self.faces).replace(" and ", " or ")
        return (
            f"That fits several faces: which one do you mean, number {numbers} counted from the "
            "left, or everyone?"
        )

    def answer(self, text: str, faces: tuple[Box, ...]) -> tuple[int, ...]:
        """The faces that the answer names; empty where it is none."""
        words = [word for word in _words(text) if word not in _FILLERS]
        if words == [] and "one" in _words(text):
            words = ["1"]
        chosen: set[int] = set()
        for word in words:
            who = int(word) if word.isdecimal() and int(word) > 0 else _WHO.get(word)
            named = named_faces(who, faces) if who is not None else ()
            if not named:
                return ()
            chosen.update(named)
        return tuple(sorted(chosen))


@dataclass(frozen=True)
class DidYouMean:
    """ "Did you mean ...?", where the parser was not sure."""

    turn: Turn

    @property
    def text(self) -> str:
        meant = listed(wish(command) for command in self.turn.commands)
        return sentence(f"I am not sure I understood: did you mean to {meant}?") + (
            " Say yes, or put it another way."
        )

    def yes(self, text: str) -> bool:
        return bool(words := _words(text)) and set(words) <= _YES

    def no(self, text: str) -> bool:
        return bool(words := _words(text)) and set(words) <= _NO


def doubtful(turn: Turn, confidence: float) -> bool:
    """Whether a reading is too unsure to act on."""
    return confidence < ASK_BELOW and any(c.do not in HARMLESS for c in turn.commands)


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9']+", text.casefold().replace("’", "'"))
