"""How often the embedded parser tells other languages from English.

Missed: messages in other languages, lines of {"language", "text"}, that it would act on. False
alarms: composed English samples, which hold typos and words of other languages, that it refuses.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

from llm.embedded import WEIGHTS
from llm.languages import is_foreign
from llm.words import Speller, split
from training.language.corpus.samples import samples
from vision.minilm import known_words, load_tokenizer

# Seeds that neither training nor calibration draws.
FIRST = -30_000_000


def speller() -> Speller:
    """The spelling corrector that ships."""
    words = (WEIGHTS / "words.txt").read_text().split()
    return Speller(words, known_words(load_tokenizer()))


def missed(file: Path, mender: Speller) -> dict[str, list[str]]:
    """Of every language its messages that pass for English."""
    passed: dict[str, list[str]] = defaultdict(list)
    for line in file.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        texts = passed[row["language"]]
        if not is_foreign(split(row["text"], mender), mender):
            texts.append(row["text"])
    return passed


def false_alarms(count: int, mender: Speller) -> list[str]:
    """Of `count` composed samples those taken for another language."""
    return [
        one.text for one in samples(FIRST, count) if is_foreign(split(one.text, mender), mender)
    ]


def report(file: Path, count: int) -> str:
    """Both, in two lines and what went wrong."""
    mender = speller()
    passed, alarms = missed(file, mender), false_alarms(count, mender)
    total = len(file.read_text(encoding="utf-8").splitlines())
    wrong = [f"{language}: {text}" for language, texts in passed.items() for text in texts]
    return "\n".join(
        [
            f"{total - len(wrong)} of {total} messages in {len(passed)} languages told apart",
            *(f"  passed for English: {one}" for one in wrong),
            f"{len(alarms)} of {count} composed English samples taken for another language",
            *(f"  {text!r}" for text in alarms),
        ]
    )
