"""The two questions the agent asks, and how their answers are read.

Both are closed: an answer is taken for one only when every word of it belongs to one, so that a
new wish is never mistaken for it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import pairwise

from agent.scene import Box, named_faces
from agent.words import listed, sentence, wish
from llm.commands import Turn, Who
from llm.parser import Parsed

# Below this confidence of the parser nothing is done before the user has said yes: an edit that
# was not asked for costs more than a question. Calibrated on the development sentences: below it
# readings are wrong more often than right, just above it right four times in five.
ASK_BELOW = 0.5
# What can be done on a doubtful reading, since it changes nothing and forgets nothing.
HARMLESS = {"show", "explain", "help", "chat", "unsupported"}
# How many readings are offered, and how probable one must be beside the first.
READINGS, LIKELY = 3, 0.1

_YES = {
    "yes", "y", "yep", "yeah", "yup", "ok", "okay", "sure", "correct", "right", "exactly",
    "please", "do", "it", "that", "so", "absolutely", "definitely", "go", "ahead",
}  # fmt: skip
_NO = {
    "no", "n", "nope", "not", "that", "never", "mind", "nothing", "stop", "don't", "dont",
    "cancel", "neither", "none", "of", "these", "those", "them",
}  # fmt: skip
_REFUSALS = _NO - {"that", "mind", "of", "these", "those", "them"}
_POLITE = {"thanks", "thank", "you", "please"}
_FILLERS = {
    "the", "and", "a", "one", "ones", "person", "face", "faces", "on", "of", "in", "at", "to",
    "from", "my", "me", "it", "is", "it's", "its", "that's", "just", "only", "please",
    "photo", "picture", "side", "woman", "man", "girl", "boy", "guy", "lady", "her", "him",
    "them", "number",
}  # fmt: skip
_NUMBERS = {"first": 1, "second": 2, "third": 3, "one": 1, "two": 2, "three": 3}
_WHO: dict[str, Who] = {
    "left": "photo_left", "leftmost": "photo_left", "right": "photo_right",
    "rightmost": "photo_right", "middle": "middle", "center": "middle", "centre": "middle",
    "largest": "largest", "biggest": "largest", "closest": "largest", "smallest": "smallest",
    "everyone": "everyone", "everybody": "everyone", "all": "everyone", "both": "everyone",
    "each": "everyone", "first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5,
    "two": 2, "three": 3, "four": 4, "five": 5,
    "1st": 1, "2nd": 2, "3rd": 3, "4th": 4, "5th": 5, "last": "photo_right",
}  # fmt: skip


@dataclass(frozen=True)
class WhichFace:
    """ "Which face do you mean?", asked once a photo, and again where the answer was `beyond` the
    number of faces that there are (else 0), or once where it was not understood (`unclear`)."""

    turn: Turn
    faces: tuple[int, ...]
    beyond: int = 0
    unclear: bool = False

    @property
    def text(self) -> str:
        numbers = listed(str(face + 1) for face in self.faces).replace(" and ", " or ")
        why = f"There are only {self.beyond} faces. " if self.beyond else ""
        why = "I did not understand which. " if self.unclear else why
        return why + (
            f"That fits several faces: which one do you mean, number {numbers} counted from the "
            "left, or everyone?"
        )

    def answer(self, text: str, faces: tuple[Box, ...]) -> tuple[int, ...]:
        """The faces that the answer names; empty where it is none."""
        words = [word for word in _words(text) if word not in _FILLERS]
        if words == [] and "one" in _words(text):
            words = ["1"]
        if counted := _counted(words, _words(text), len(faces)):
            return counted
        if reach := _reach(text):
            if reach[-1] > len(faces):
                return ()
            words = [str(number) for number in reach]
        elif len(words) > 1 and "everyone" not in map(_who, words) and not _listed(text, words):
            return ()
        chosen: set[int] = set()
        for word in words:
            who = _who(word)
            if who == len(faces) and not word.isdecimal() and "of" in _words(text):
                who = "everyone"  # "the two of them"
            named = named_faces(who, faces) if who is not None else ()
            if not named:
                return ()
            chosen.update(named)
        return tuple(sorted(chosen))

    def no(self, text: str) -> bool:
        """Whether the answer is that nothing is to be done."""
        return _declined(text)

    def asked_again(self, text: str, faces: tuple[Box, ...]) -> WhichFace | None:
        """The question once more, where the answer is the number of a face that is not there."""
        named = [_who(word) for word in _words(text) if word not in _FILLERS]
        numbers = [who for who in named if isinstance(who, int)]
        if numbers and len(numbers) == len(named) and max(numbers) > len(faces):
            return replace(self, beyond=len(faces))
        return None


@dataclass(frozen=True)
class DidYouMean:
    """ "Did you mean ...?", where the parser was not sure: one to `READINGS` turns, the most
    probable first, no two of the same `wording`."""

    readings: tuple[Turn, ...]

    @classmethod
    def of(cls, parsed: Parsed) -> DidYouMean:
        """The question about what was parsed; readings that change nothing are no choice."""
        turns = {wording(parsed.turn): parsed.turn}
        for one in parsed.alternatives:
            if one.confidence >= LIKELY * parsed.confidence and _acts(one.turn):
                turns.setdefault(wording(one.turn), one.turn)
        return cls(tuple(turns.values())[:READINGS])

    @property
    def turn(self) -> Turn:
        return self.readings[0]

    @property
    def choices(self) -> tuple[str, ...]:
        """The readings in words: each is an answer that chooses its own."""
        return tuple(wording(turn) for turn in self.readings)

    @property
    def text(self) -> str:
        if len(self.readings) == 1:
            asked = f"did you mean to {self.choices[0]}?"
            return sentence(f"I am not sure I understood: {asked}") + (
                " Say yes, or put it another way."
            )
        *most, last = [f"({at}) {choice}" for at, choice in enumerate(self.choices, 1)]
        return (
            f"I am not sure I understood: did you mean to {', '.join(most)} or {last}? Say a "
            "number, or put it another way."
        )

    def answer(self, text: str) -> Turn | None:
        """The reading that is chosen by yes (the first), by its number or by its words alone; None
        where that is none, or several."""
        words = set(_words(text))
        words = words - _POLITE or words
        several = len(self.readings) > 1
        # "Right" may be the name of a side.
        sides = {"right"} & {word for choice in self.choices for word in _words(choice)}
        yes = _YES - sides if several else _YES
        if words and words <= yes:
            return self.turn
        if not several:
            return None
        named = words - _FILLERS - yes - {"option"}
        words -= yes - _FILLERS
        numbers = {
            int(w) if w.isdecimal() else _NUMBERS.get(w, 0) for w in named or words & {"one"}
        }
        if len(numbers) == 1 and 0 < (number := numbers.pop()) <= len(self.readings):
            return self.readings[number - 1]
        fits = [
            turn
            for turn, choice in zip(self.readings, self.choices, strict=True)
            if named and words <= set(_words(choice)) | _FILLERS
        ]
        exact = [turn for turn in fits if set(_words(wording(turn))) == words]
        return (exact or fits)[0] if len(exact or fits) == 1 else None

    def no(self, text: str) -> bool:
        return _declined(text)


def _reach(text: str) -> range | None:
    """The numbers of "1 to 3", where nothing else is said."""
    reach = re.fullmatch(r"\D*?(\d+)\s*(?:to|-|–|through)\s*(\d+)\W*", text.casefold())
    if reach is None or not set(_words(text[: reach.start(1)])) <= _FILLERS:
        return None
    return range(int(reach[1]), int(reach[2]) + 1)


def _listed(text: str, names: list[str]) -> bool:
    """Whether several names are a list ("1 and 3") and not parts of one ("the last two", "2 of
    4")."""
    tokens = re.findall(r"[a-z0-9']+|[,&+]", text.casefold())
    places = [at for at, token in enumerate(tokens) if token in names]
    for one, other in pairwise(places):
        between = set(tokens[one + 1 : other])
        numbers = tokens[one][0].isdecimal() and tokens[other][0].isdecimal() and not between
        if not (numbers or between & {"and", ",", "&", "+"}):
            return False
    return True


def _declined(text: str) -> bool:
    words = set(_words(text))
    return bool(words & _REFUSALS) and words <= _NO | _POLITE


def _counted(words: list[str], said: list[str], faces: int) -> tuple[int, ...]:
    """The face meant by "second from the left" of so many; empty where it is none such."""
    match words:
        case [number, ("left" | "right") as end] if "from" in said:
            who = _who(number)
            if isinstance(who, int) and who <= faces:
                return (who - 1 if end == "left" else faces - who,)
    return ()


def wording(turn: Turn) -> str:
    """What a turn asks for, to be read after "did you mean to"."""
    return listed(wish(command) for command in turn.commands)


def doubtful(turn: Turn, confidence: float) -> bool:
    """Whether a reading is too unsure to act on."""
    return confidence < ASK_BELOW and _acts(turn)


def _acts(turn: Turn) -> bool:
    return any(command.do not in HARMLESS for command in turn.commands)


def _who(word: str) -> Who | None:
    return int(word) if word.isdecimal() and int(word) > 0 else _WHO.get(word)


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9']+", text.casefold().replace("’", "'"))
