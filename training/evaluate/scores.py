"""How well a parser understands people, in numbers.

exact     share of the sentences all of whose commands are right, in the user's order
F1        of single commands, all fields counted
where     of the pairs that name a place: share with the same regions
side      of the pairs in which either side or face is named: share with the same side and face
strength  of the pairs that carry a number: share with the same strength, delta or amount
unasked   of the sentences that ask for no change (talk, questions, wishes outside of retouching):
          share that is taken for one that does
acted on  the same, without those that the agent asks about before it does anything
asks      of all sentences: share that the agent asks about first (`agent.questions.doubtful`)
ECE       expected calibration error: mean of |share exact - confidence| over 10 equal bins

A pair is a wanted command and a given one with the same `do` and `what` (or `attribute`).
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from agent.questions import doubtful
from llm.commands import Turn
from llm.parser import Parser
from training.evaluate.sentences import Canonical, Case, canonical

FIELDS = {
    "where": ("where",),
    "side": ("side", "who"),
    "strength": ("strength", "delta", "amount"),
}
# Commands that change the photo, and those that only talk.
CHANGES = frozenset(("reduce", "adjust", "restore", "tone", "auto"))
TALK = frozenset(("unsupported", "chat", "help", "explain"))
BINS = 10
SIZES = ("1 command", "2 commands", "3 and more")


@dataclass
class Score:
    """Counts over some cases; `right`, `given` and `wanted` count commands.

    `quiet` counts cases that ask for no change, `unasked` those of them that got one, `acted` those
    where nobody would be asked first; `doubts` counts cases where somebody would. `pairs` and
    `same` count pairs by field; `claims` holds (confidence, exact) and `seconds` the time of every
    case.
    """

    cases: int = 0
    exact: int = 0
    right: int = 0
    given: int = 0
    wanted: int = 0
    quiet: int = 0
    unasked: int = 0
    acted: int = 0
    doubts: int = 0
    pairs: Counter[str] = field(default_factory=Counter)
    same: Counter[str] = field(default_factory=Counter)
    claims: list[tuple[float, bool]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def add(
        self,
        given: list[Canonical],
        wanted: list[Canonical],
        confidence: float = 1.0,
        seconds: float = 0.0,
        doubt: bool = False,
    ) -> None:
        self.cases += 1
        self.doubts += doubt
        self.exact += given == wanted
        self.right += sum((Counter(given) & Counter(wanted)).values())
        self.given += len(given)
        self.wanted += len(wanted)
        if _verbs(wanted) <= TALK:
            self.quiet += 1
            taken = bool(_verbs(given) & CHANGES)
            self.unasked += taken
            self.acted += taken and not doubt
        self.claims.append((confidence, given == wanted))
        self.seconds.append(seconds)
        for one, other in _pairs(given, wanted):
            for name, keys in FIELDS.items():
                if any(key in one or key in other for key in keys):
                    self.pairs[name] += 1
                    self.same[name] += all(one.get(key) == other.get(key) for key in keys)

    @property
    def accuracy(self) -> float:
        return self.exact / self.cases

    @property
    def f1(self) -> float:
        return 2 * self.right / (self.given + self.wanted)

    def share(self, name: str) -> float:
        """Accuracy of a field of FIELDS; nan where no pair has it."""
        return self.same[name] / self.pairs[name] if self.pairs[name] else float("nan")

    @property
    def overreach(self) -> float:
        """Share of the quiet cases that got a change; nan where none is quiet."""
        return self.unasked / self.quiet if self.quiet else float("nan")

    @property
    def acted_on(self) -> float:
        """Share of the quiet cases that are changed before anybody is asked; nan as above."""
        return self.acted / self.quiet if self.quiet else float("nan")

    @property
    def ece(self) -> float:
        confidence, right = np.array(self.claims).T
        bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
        gaps = [
            abs(right[bins == one].mean() - confidence[bins == one].mean()) * (bins == one).sum()
            for one in set(bins.tolist())
        ]
        return sum(gaps) / self.cases

    def confidence(self, right: bool) -> float:
        """Mean confidence where the answer is right, or wrong; nan where there is none."""
        claimed = [confidence for confidence, exact in self.claims if exact == right]
        return float(np.mean(claimed)) if claimed else float("nan")


def _pairs(given: list[Canonical], wanted: list[Canonical]) -> Iterator[tuple[dict, dict]]:
    """Given and wanted commands of the same verb and object; of several, the most alike first."""
    left = [dict(command) for command in given]
    for command in map(dict, wanted):
        fits = [one for one in left if _object(one) == _object(command)]
        if fits:
            best = max(fits, key=lambda one: len(one.items() & command.items()))
            left.remove(best)
            yield best, command


def _verbs(commands: list[Canonical]) -> set[str]:
    return {dict(command)["do"] for command in commands}


def _object(command: dict) -> tuple:
    return command["do"], command.get("what"), command.get("attribute")


@dataclass
class Result:
    """Scores of all cases, by category and by number of commands; the cases that failed."""

    total: Score = field(default_factory=Score)
    groups: dict[str, Score] = field(default_factory=lambda: defaultdict(Score))
    failures: list[tuple[Case, Turn]] = field(default_factory=list)


def evaluate(parser: Parser, cases: Iterable[Case]) -> Result:
    """Parse every case; the answer that fits best counts."""
    result = Result()
    for case in cases:
        start = time.perf_counter()
        parsed = parser.parse(case.text, case.state)
        seconds = time.perf_counter() - start
        given = canonical(parsed.turn, case.state)
        wanted = max(
            (canonical(answer, case.state) for answer in case.answers),
            key=lambda answer: (answer == given, _common(answer, given)),
        )
        for score in (
            result.total,
            result.groups[case.category],
            result.groups[SIZES[min(len(wanted), len(SIZES)) - 1]],
        ):
            doubt = doubtful(parsed.turn, parsed.confidence)
            score.add(given, wanted, parsed.confidence, seconds, doubt)
        if given != wanted:
            result.failures.append((case, parsed.turn))
    return result


def _common(one: list[Canonical], other: list[Canonical]) -> float:
    return 2 * sum((Counter(one) & Counter(other)).values()) / (len(one) + len(other))


def seconds_of_long_messages(parser: Parser, cases: list[Case], words: int = 60) -> list[float]:
    """Seconds for each of 20 messages of `words` words, put together from the cases' own."""
    spoken = " ".join(case.text for case in cases).split()
    spoken *= -(-20 * words // max(1, len(spoken)))
    times = []
    for at in range(0, 20 * words, words):
        start = time.perf_counter()
        parser.parse(" ".join(spoken[at : at + words]))
        times.append(time.perf_counter() - start)
    return times
