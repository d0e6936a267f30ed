"""Samples: messages of every sort in their shares, with the token sequence that each one means."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from llm.commands import State
from llm.grammar import MAX_COMMANDS, Grammar, Place
from llm.sequences import PLACED, write
from llm.words import Message, Speller, split
from training.language.corpus import discourse, lists, messages, talk, wishes
from training.language.corpus.noise import disturb
from training.language.corpus.speaker import MARK, Draft, Speaker, Utterance

NOISY = 0.34
WRITTEN = 0.4  # share of the samples that are whole messages with their slots filled
_LAST_MARK = 0xE3FF


@dataclass(frozen=True)
class Sample:
    """One training example: a message in a state, and its token sequence."""

    text: str
    message: Message
    state: State
    sequence: list[int]


def sample(seed: int, speller: Speller | None = None, *, noisy: float = NOISY) -> Sample:
    """The sample of one seed. Messages that the command language cannot answer are redrawn."""
    rng = random.Random(seed)
    while True:
        speaker = Speaker(rng)
        if rng.random() < 0.5:
            speaker.state = discourse.state(speaker)
        try:
            made = _finished(_whole(speaker), speaker, speller, noisy)
        except messages.Unfit:
            continue
        if made is not None:
            return made


def samples(first: int, count: int, speller: Speller | None = None) -> Iterator[Sample]:
    """Samples of `count` consecutive seeds."""
    for seed in range(first, first + count):
        yield sample(seed, speller)


def lexicon(count: int) -> list[str]:
    """Words of the corpus without noise, most frequent first; the spell-corrector's target."""
    words: Counter[str] = Counter()
    for seed in range(count):
        words.update(
            form
            for form in sample(-1 - seed, noisy=0.0).message.forms
            if form.isalpha() and len(form) > 2
        )
    return [word for word, times in words.most_common() if times >= 3]


def _whole(s: Speaker) -> Utterance:
    """The words of one message, before noise: as a person wrote it, or composed."""
    if s.chance(WRITTEN):
        written = messages.message(s)
        return _decorated(s, written) if s.chance(0.25) else written
    return _decorated(s, _message(s))


def _message(s: Speaker) -> Utterance:
    """The words of one composed message, before politeness and noise."""
    spoken_about = bool(s.state.edits)
    roll = s.rng.random()
    if roll < 0.27:
        count = s.rng.choices((3, 4, 5, 6), (12, 5, 1, 0.5))[0]
        return lists.several(s, _part, count)
    if roll < 0.47:
        return lists.several(s, _part, 2)
    if roll < 0.51:
        return lists.contrast(s)
    if roll < 0.53:
        return discourse.correction(s)
    if roll < 0.55:
        return discourse.look_again(s)
    if roll < 0.58:
        return wishes.chat(s)
    if roll < 0.62:
        return wishes.any_of(s, (talk.statement, talk.opinion, talk.thing), (5, 2, 2))
    if roll < 0.63:
        return lists.only(s)
    if spoken_about and roll < 0.83 or roll < 0.66:
        return discourse.remark(s)
    return wishes.wish(s)


def _part(s: Speaker) -> Utterance:
    """One request inside a longer message."""
    if s.state.edits and s.chance(0.3):
        return discourse.remark(s)
    if s.chance(0.2):
        return messages.part(s)
    makers = (wishes.reduce, wishes.pronoun, wishes.keep, wishes.tone, wishes.special, wishes.meta,
              wishes.unsupported, lists.contrast)  # fmt: skip
    return wishes.any_of(s, makers, (9, 1.2, 2, 2.2, 2.2, 2.4, 1.2, 0.5))


_STANDABLE = ("reduce", "keep", "tone")


def _decorated(s: Speaker, utterance: Utterance) -> Utterance:
    """Standing rules, politeness and things that do not matter, around a message."""
    text, drafts = utterance.text, utterance.drafts
    if utterance.standing and all(d["do"] in _STANDABLE for d in drafts) and s.chance(0.06):
        text = wishes.render(s.phrase("always"), r=text)
        drafts = [draft | {"always": True} for draft in drafts]
    elif s.state.faces > 1 and _asks_for_face(utterance) and s.chance(0.3):
        words, drafts[0]["who"] = s.face()
        text = wishes.render(s.frame("face_around"), r=text, w=words)
    if drafts[0]["do"] != "chat" and s.chance(0.04):
        return Utterance(_letter(s, text), drafts)
    if drafts[0]["do"] != "chat":
        if s.chance(0.16):
            text = s.phrase("politeness_before").rstrip() + " " + text
        if s.chance(0.12):
            text = f"{text.rstrip(' .')}{s.pick([', ', ' ', ', '])}{s.phrase('politeness_after')}"
        if s.chance(0.08):
            aside = s.phrase("distractors")
            text = s.pick(
                (
                    f"{aside}. {text}",
                    f"{text}. {aside}",
                    f"{aside}, so {text}",
                    f"{text}, {aside}",
                    f"{aside} {text}",
                )
            )
    return Utterance(text, drafts)


def _asks_for_face(utterance: Utterance) -> bool:
    return utterance.standing and len(utterance.drafts) == 1 and "who" not in utterance.drafts[0]


def _letter(s: Speaker, text: str) -> str:
    """A message as a long, polite letter."""
    story = [
        s.pick((s.frame("stories"), s.phrase("distractors"))) for _ in range(s.rng.randint(0, 3))
    ]
    before = s.rng.randint(0, len(story))
    body = ". ".join([*story[:before], text.rstrip(" ."), *story[before:]])
    parts = [s.frame("salutations"), body + "."]
    if s.chance(0.6):
        parts.append(wishes.render(s.frame("closings"), n=s.frame("names")))
    return s.pick((" ", "\n")).join(parts)


def _finished(
    utterance: Utterance, s: Speaker, speller: Speller | None, noisy: float
) -> Sample | None:
    """Noise, marks taken out, the sequence written and checked against the grammar."""
    if len(utterance.drafts) > MAX_COMMANDS:
        return None
    text, spans = _unmarked(disturb(utterance.text, s.rng, noisy))
    message = split(text, speller)
    try:
        drafts = [_quoted(draft, message, spans) for draft in utterance.drafts]
        sequence = write(_distinct(drafts), message)
        grammar, place = Grammar(message, s.state), Place()
        for index in sequence[1:]:
            place = grammar.step(place, index)
    except ValueError:
        return None
    return Sample(text, message, s.state, sequence)


def _distinct(drafts: list[Draft]) -> list[Draft]:
    """Drafts without repeats; words quoted tell them apart where nothing else does."""
    seen: list[Draft] = []
    for draft in drafts:
        # "Save, undo, save": what walks or looks is meant again, unless it follows itself.
        before = seen if draft["do"] in PLACED else seen[-1:]
        if not any(_meant(draft) == _meant(other) for other in before):
            seen.append(draft)
    return seen


def _meant(draft: Draft) -> Draft:
    if draft["do"] == "unsupported" or draft.get("what") == "other":
        return draft
    return {name: value for name, value in draft.items() if name != "span"}


def _unmarked(text: str) -> tuple[str, dict[int, tuple[int, int]]]:
    """The text without marks, and the characters that each pair of marks held."""
    plain: list[str] = []
    spans: dict[int, tuple[int, int]] = {}
    for letter in text:
        code = ord(letter) - MARK
        if 0 <= code <= _LAST_MARK - MARK:
            start, _ = spans.get(code // 2, (len(plain), 0))
            spans[code // 2] = (start, len(plain))
        else:
            plain.append(letter)
    return "".join(plain), spans


def _quoted(draft: Draft, message: Message, spans: dict[int, tuple[int, int]]) -> Draft:
    """A draft whose mark has become the span of its words."""
    draft = dict(draft)
    mark = draft.pop("mark", None)
    if mark is None:
        return draft
    start, end = spans[mark]
    inside = [
        at for at, word in enumerate(message.words) if start <= word.start and word.end <= end
    ]
    if not inside:
        raise ValueError("the quoted words were lost in noise")
    return draft | {"span": (inside[0], inside[-1])}
