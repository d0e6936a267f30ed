"""Other languages are told from English, whatever English looks like in a chat."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from llm.languages import is_foreign
from llm.words import Speller, split
from training.evaluate.foreign import false_alarms, missed, speller

DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="module")
def mender() -> Speller:
    return speller()


def foreign(text: str, mender: Speller) -> bool:
    return is_foreign(split(text, mender), mender)


def test_messages_in_43_languages_are_told_apart(mender):
    file = DATA / "other_languages.jsonl"
    passed = missed(file, mender)
    total = len(file.read_text(encoding="utf-8").splitlines())
    assert len(passed) == 43
    assert sum(map(len, passed.values())) < 0.03 * total, passed
    assert max(Counter({name: len(texts) for name, texts in passed.items()}).values()) <= 2


def test_composed_samples_are_english(mender):
    assert len(alarms := false_alarms(400, mender)) <= 2, alarms


def test_the_development_sentences_are_english(mender):
    lines = (DATA / "sentences_dev.jsonl").read_text().splitlines()
    texts = [json.loads(line)["text"] for line in lines]
    assert not [text for text in texts if foreign(text, mender)]


@pytest.mark.parametrize(
    "text",
    [
        "less shine",
        "mole stays pls",
        "no lentigines",
        "lentigo solaris off",
        "naevus flammeus gone",
        "telangiectasia off",
        "pityriasis alba fade",
        "keratosis pilaris",
        "rm zits lol",
        "wrnkls less pls",
        "pls frekls stay",
        "fix my ojeras please",
        "cernes -50%",
        "take out les rides on the forehead",
        "keep my lunares, kill the granitos",
        "Señora García wants her moles kept",
        "José's chin: acne out",
        "crêpey neck smoother",
        "gracias!",
        "remove the 痘 on my chin",
        "𝐫𝐞𝐦𝐨𝐯𝐞 the acne",
        "30%",
        "🙃🙃",
        "",
    ],
)
def test_guests_typos_and_medical_words_do_not_make_a_message_foreign(mender, text):
    assert not foreign(text, mender)
