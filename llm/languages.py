"""Whether a message is in another language than English, the only one the embedded model knows.

Letters of another script settle it. Otherwise a message more than half of whose words are known
from the corpus is English without further question; py3langid (140 languages, BSD-3-Clause) judges
the others, loaded when the first of them comes. `freckle evaluate language --foreign FILE` measures
how often that is right.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import TYPE_CHECKING

from llm.words import Message, Speller

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

# Shorter messages ("no lentigines") say too little to tell a language by.
MIN_WORDS, MIN_LETTERS = 2, 10
# From this share of known English words on, words of other languages are guests ("fix my ojeras").
MAX_KNOWN = 0.5
# What a wholly unknown message must score below to be foreign; known words lower it.
ENGLISH = 0.02


def is_foreign(message: Message, speller: Speller) -> bool:
    """Whether the message, split with `speller`, is in another language."""
    letters = [letter for letter in unicodedata.normalize("NFKC", message.text) if letter.isalpha()]
    if not letters:
        return False
    latin = sum(unicodedata.name(letter, "").startswith("LATIN") for letter in letters)
    if 2 * latin < len(letters):
        return True
    words = [form for form in message.forms if form[0].isalpha()]
    if len(words) < MIN_WORDS or len(letters) < MIN_LETTERS:
        return False
    known = sum(map(speller.in_trade, words)) / len(words)
    if known > MAX_KNOWN:
        return False
    ranked = dict(_identifier().rank(message.text))
    # Nobody chats in Latin: those are names of conditions ("pityriasis alba fade").
    return next(iter(ranked)) != "la" and ranked["en"] < ENGLISH * (1 - known)


@cache
def _identifier() -> LanguageIdentifier:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
