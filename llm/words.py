"""A message as the parser sees it: words with their places, spelling mended, numbers understood.

The model reads mended words ("frekles" as "freckles") and points at words; `Message` keeps where
each word stood, so that a phrase is always quoted from what the user really wrote.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from vision.errors import FreckleError

# Longer messages are refused: the encoder was trained on far shorter ones.
MAX_WORDS = 200
MAX_CHARACTERS = 2000
# Longer words are not looked up: the number of their misspellings grows with their length.
MAX_MENDED = 24

_WORD = re.compile(r"\d+(?:[.,]\d+)?|\.\d+|[^\W\d_]+(?:['’][^\W\d_]+)*|[^\s]")
# Digits of any script, but not "²": what float() reads.
_COUNT = re.compile(r"\d+(?:[.,]\d+)?|\.\d+")
_TEENS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
    "nineteen",
)  # fmt: skip
_UNITS = {word: value for value, word in enumerate(_TEENS)}
_TENS = {
    "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70,
    "eighty": 80, "ninety": 90,
}  # fmt: skip
_PARTS = {"half": 2, "halves": 2, "third": 3, "thirds": 3, "quarter": 4, "quarters": 4}
# Parts that are only such after a count: "a fifth" may be a person, "the tenth" a day.
_COUNTED = {
    "fourth": 4, "fourths": 4, "fifth": 5, "fifths": 5, "eighth": 8, "eighths": 8, "tenth": 10,
    "tenths": 10,
}  # fmt: skip
_SIGNS = {"¼": 0.25, "½": 0.5, "¾": 0.75}
# "1." at the start of a line, "2)" anywhere: these number the wishes, they are no strengths.
_ITEM = re.compile(r"(?m)(?:^[ \t]*(\d{1,2})\.(?=\s)|(?<![^\s;,(])(\d{1,2})\)(?=\s))")
# English of skin, make-up, mouths and pictures that the encoder has no whole word for and the
# corpus may lack: right as it stands, and too near to commoner words ("gums" to "guys").
_REAL = frozenset(
    """
    warts wart warty gums gum tweak tweaks tweaked tweaking pasty sagging saggy sag sags jowl
    jowls shingles collagen glisten glistens glistening parched overbite underbite bindi bindis
    filling fillings stubbly pockmarked pockmark scabby scab scabs weepy crusty crust leathery
    puffed pudgy pinkish reddish greyish grayish bluish purplish yellowish brownish greenish
    bronzer bronzed concealer primer serum sunscreen blusher highlighter exfoliate exfoliated
    decongest detan depuff unclog clogged dewy luminous porcelain matting mattify mattified
    mattifier nasolabials alar columella philtrum nostril nostrils tragus earlobe earlobes jawline
    jawlines hairline hairlines dimple dimples gaunt ruddy flaky flake flakes flaking chapped
    cracked peeling peel peels blotch blotches blotchy splotch splotchy speckle speckles speckled
    dandruff lint zits boil boils cyst cysts sty stye hives rash rashes itchy eczema psoriasis
    vitiligo keloid keloids papule papules pustule pustules comedone comedones whitehead
    whiteheads blackhead blackheads sebum oily greasy clammy sweaty bloated swollen droopy droop
    hooded sunken hollow hollows haggard weary drained radiant glowy glowing sheen glossy waxy
    plasticky airbrush airbrushed overdone garish lurid washed bleach bleached dingy murky muddy
    drab sallow ashen wan peaky bland vivid crisp grainy blurry blurred bokeh vignette crop
    cropped tilt tilted halo fringe fringing banding dodging burning feather feathered clone
    cloned heal healed mole moles lens lenses braces dentures crown veneer veneers tattoo tattoos
    piercing piercings stud hoop bandaid plaster stitches stitch bruise bruised bruises scrape
    scraped graze grazed burn burnt sunburned sunburnt tanned tan tans pigment toned toner tinge
    tinged hue hues hickey hickeys goosebumps ingrown bumpy lumpy craggy grooves groove furrow
    furrows furrowed etched dents dent dented ridge ridges wrinkly lined crepey crinkly
    """.split()
)
_PERCENT = {"%", "percent", "pct", "perc", "prozent"}


@dataclass(frozen=True)
class Word:
    """One word: `form` is what the model reads, `start:end` where it stands in the text."""

    form: str
    start: int
    end: int


@dataclass(frozen=True)
class Number:
    """A number spoken in the text. `value` is a share of 1; `plain` numbers carry no sign of
    being a share ("2", "three") and may as well count faces or steps."""

    first: int
    last: int
    value: float
    plain: bool


@dataclass(frozen=True)
class Message:
    """A text, cut into words."""

    text: str
    words: tuple[Word, ...]

    @property
    def forms(self) -> list[str]:
        return [word.form for word in self.words]

    @cached_property
    def numbers(self) -> dict[int, Number]:
        """The shares of 1 in the text, by the index of their first word."""
        items = _items(self.text)
        return {
            number.first: number
            for number in find_numbers(self.forms)
            if self.words[number.first].start not in items
        }

    def quote(self, first: int, last: int) -> str:
        """The user's own words from word `first` to word `last`, both included."""
        return self.text[self.words[first].start : self.words[last].end]


def split(text: str, speller: Speller | None = None) -> Message:
    """Cut `text` into words, lower-cased; emoji become their Unicode names.

    Lone surrogates, which cannot be encoded, become question marks. Raises FreckleError for more
    than MAX_WORDS words or MAX_CHARACTERS characters.
    """
    matches = list(_WORD.finditer(text)) if len(text) <= MAX_CHARACTERS else []
    if len(matches) > MAX_WORDS or len(text) > MAX_CHARACTERS:
        length = f"{len(matches)} words" if matches else f"{len(text)} characters"
        raise FreckleError(
            f"the message is too long ({length}): say it in at most {MAX_WORDS} words and"
            f" {MAX_CHARACTERS} characters, or in several messages"
        )
    text = text.encode("utf-8", "replace").decode()
    words = []
    for match in _WORD.finditer(text):
        form = match.group().lower().replace("’", "'")
        if len(form) == 1 and unicodedata.category(form) == "So":
            form = unicodedata.name(form, "symbol").lower()
        elif speller is not None:
            form = speller.mend(form)
        words.append(Word(form, match.start(), match.end()))
    return Message(text, tuple(words))


def _items(text: str) -> frozenset[int]:
    """Where the numbers stand that count the lines of a list: 1, 2 and so on."""
    found = list(_ITEM.finditer(text))
    counted = [int(match[1] or match[2]) for match in found]
    if len(found) < 2 or counted != list(range(1, len(found) + 1)):
        return frozenset()
    return frozenset(match.start(match.lastindex or 0) for match in found)


def find_numbers(forms: Sequence[str]) -> list[Number]:
    """Shares of 1 in a list of words: 37 %, 0.4, 3/10, forty five, two thirds, half."""
    found, at = [], 0
    while at < len(forms):
        number = _number_at(forms, at)
        if number is not None and 0 <= number.value <= 1:
            found.append(number)
        at = number.last + 1 if number is not None else at + 1
    return found


def _number_at(forms: Sequence[str], at: int) -> Number | None:
    def word(offset: int) -> str:
        return forms[at + offset] if at + offset < len(forms) else ""

    if word(0) in _SIGNS:
        return Number(at, at, _SIGNS[word(0)], plain=False)
    if word(0) in _PARTS:
        return Number(at, at, round(1 / _PARTS[word(0)], 2), plain=False)
    raw, length = _count_at(forms, at)
    if raw is None:
        return None
    last = length + (word(length) == "-")  # "two-thirds"
    parts = (_PARTS | _COUNTED).get(word(last))
    if parts is not None and raw < parts:
        return Number(at, at + last, round(raw / parts, 2), plain=False)
    if word(length) == "/" and word(length + 1).isdecimal() and int(word(length + 1)):
        share = raw / int(word(length + 1))
        return Number(at, at + length + 1, round(share, 2), plain=False)
    if (word(length), word(length + 1)) == ("out", "of") and word(length + 2) in {"10", "ten"}:
        return Number(at, at + length + 2, raw / 10, plain=False)
    per_cent = (word(length), word(length + 1)) == ("per", "cent")
    if word(length) in _PERCENT or per_cent:
        return Number(at, at + length + per_cent, round(raw / 100, 4), plain=False)
    decimal = "." in word(0) or "," in word(0)
    share = raw if decimal or raw <= 1 else raw / 100
    return Number(at, at + length - 1, round(share, 4), plain=not decimal and raw < 5)


def _count_at(forms: Sequence[str], at: int) -> tuple[float | None, int]:
    """The number that starts at a word and how many words it takes; None where none does."""
    form = forms[at]
    if _COUNT.fullmatch(form):
        return float(form.replace(",", ".")), 1
    if form == "hundred":
        return 100.0, 1
    if form in _UNITS:
        hundred = form == "one" and at + 1 < len(forms) and forms[at + 1] == "hundred"
        return (100.0, 2) if hundred else (float(_UNITS[form]), 1)
    if form not in _TENS:
        return None, 0
    dash = 1 if at + 1 < len(forms) and forms[at + 1] == "-" else 0
    unit = _UNITS.get(forms[at + dash + 1], 0) if at + dash + 1 < len(forms) else 0
    if 0 < unit < 10:
        return float(_TENS[form] + unit), 2 + dash
    return float(_TENS[form]), 1


class Speller:
    """Mends words that are neither English nor ours to the nearest word of the trade.

    lexicon: words of the training corpus, most frequent first.
    known:   words left as they are, beside `_REAL` (the encoder's own vocabulary of whole words).
    """

    def __init__(self, lexicon: Sequence[str], known: Iterable[str]):
        self._rank = {word: rank for rank, word in enumerate(lexicon)}
        self._known = _REAL.union(known)

    def in_trade(self, form: str) -> bool:
        """Whether people use this word about retouching, as far as the corpus knows."""
        return form in self._rank

    def mend(self, form: str) -> str:
        if not 4 <= len(form) <= MAX_MENDED or not form.isalpha():
            return form
        if form in self._rank or form in self._known:
            return form
        near = self._one_edit_away(form) or self._two_edits_away(form)
        return min(near, key=self._rank.__getitem__) if near else form

    def _one_edit_away(self, form: str) -> list[str]:
        halves = [(form[:cut], form[cut:]) for cut in range(len(form) + 1)]
        letters = "abcdefghijklmnopqrstuvwxyz"
        edits = {a + b[1:] for a, b in halves if b}
        edits |= {a + b[1] + b[0] + b[2:] for a, b in halves if len(b) > 1}
        edits |= {a + letter + b[1:] for a, b in halves if b for letter in letters}
        edits |= {a + letter + b for a, b in halves for letter in letters}
        return [edit for edit in edits if edit in self._rank]

    def _two_edits_away(self, form: str) -> list[str]:
        """Only for long words with the same first letter: short ones have too many neighbours."""
        if len(form) < 7:
            return []
        return [
            word
            for word in self._rank
            if word[0] == form[0]
            and len(word) >= 6
            and abs(len(word) - len(form)) <= 2
            and _distance(word, form) <= 2
        ]


def _distance(a: str, b: str) -> int:
    """Edit distance that counts a swap of neighbours once (optimal string alignment)."""
    rows = [list(range(len(b) + 1))]
    for i, x in enumerate(a, 1):
        row = [i]
        for j, y in enumerate(b, 1):
            best = min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                best = min(best, rows[-2][j - 2] + 1)
            row.append(best)
        rows.append(row)
    return rows[-1][-1]
