"""Does memory spare its user work? People with hidden tastes talk to the real agent about photos.

`freckle evaluate memory` prints, by the number of the photo, how many messages it took until the
user was satisfied (the first request included, praise not) and how far the first proposal was from
what they wanted (mean difference of strength over the kinds that the face shows).

Real: sentences, parser, session, resolving, learning, the database, recall. Replaced: pixels; a
photo is the scene it was taken in and the kinds that show, the result is the plan. The parser is
asked once for each sentence and set of things in force that it names; that is the only short cut.

Users want other strengths in other scenes: each cares about one or two features of `memory.scene`
that the agent is not told, see strengths with some error, call good what is nearly right, speak in
words or numbers, and end with praise, by saving, or without a word. Users of the last table want
something else every time. Seeds below 2000 are for development, reported are those from 2000 on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import numpy as np
import typer

from agent import RetouchAgent, Session
from llm.commands import State
from llm.embedded import EmbeddedParser, Hypothesis
from llm.words import Message
from memory.observation import Observation, Preference
from memory.preferences import Preferences
from memory.recall import weigh
from memory.scene import Feature, PhotoScene, scene_of
from memory.store import Store
from vision.measure import EditMeasure, Measurement
from vision.places import Spot, inside
from vision.plan import Edit, Plan
from vision.settings import Settings
from vision.vocabulary import Kind, default_region

KINDS: tuple[Kind, ...] = ("acne", "wrinkles", "dark_circles", "redness", "shine")
WORDS = {"acne": "pimples", "wrinkles": "wrinkles", "dark_circles": "dark circles",
         "redness": "redness", "shine": "shine"}  # fmt: skip
OPENINGS = ("make me look good", "do your thing", "retouch this photo", "clean this up")
STEPS = {
    0.1: ("a bit {more} on the {kind}", "slightly {more} on the {kind}"),
    0.2: ("{more} on the {kind}", "{more} on the {kind} please"),
    0.4: ("a lot {more} on the {kind}", "much {more} on the {kind}"),
}
RESTORES = ("bring the {kind} back", "restore the {kind}")
REMOVES = ("remove the {kind}", "get rid of the {kind}")
PRAISE = ("perfect", "looks great", "save it", "")
# What a user calls right, and how well they see it.
TOLERANCE, EYESIGHT = 0.12, 0.04
MOST_TURNS = 15
# Users that one process simulates at a time.
CHUNK = 10
# Features that people's tastes can hang on, and the value that divides one taste from the other.
HINGES: tuple[tuple[Feature, float], ...] = (
    ("size", 0.45), ("faces", 0.3), ("key", 0.4), ("warmth", 0.5), ("colour", 0.1),
    ("softness", 0.5), ("flash", 0.5), ("side", 0.5),
)  # fmt: skip


@dataclass(frozen=True)
class Photo:
    """Stands for a photo: its scene, what the face shows, and (as pixels) how strongly it is
    edited."""

    view: PhotoScene
    shown: tuple[Kind, ...]
    pixels: np.ndarray
    path: None = None

    def strength(self, kind: Kind) -> float:
        return float(self.pixels[KINDS.index(kind)])


class PlanStudio:
    """Renders the plan as strengths: of one kind the last edit of its whole place counts."""

    def load(self, source: Photo) -> Photo:
        return source

    def save(self, photo: Photo, path: Path, overwrite: bool) -> Path:
        return path

    def analyse(self, photo: Photo) -> Any:
        def found(what: Kind, where: Any = None, side: Any = None, phrase: Any = None) -> float:
            return 0.1 * (what in photo.shown)

        face = SimpleNamespace(face=SimpleNamespace(box=(0.0, 0.0, 100.0, 100.0)), found=found)
        return SimpleNamespace(photo=photo, faces=(face,), reached=lambda edited: edited)

    def scene(self, analysis: Any, clip: str | None) -> PhotoScene:
        return analysis.photo.view

    def render(self, analysis: Any, plan: Plan) -> Any:
        strengths = np.zeros(len(KINDS))
        for edit in plan.edits:
            kept = any(keep.what == edit.what and inside(keep, edit) for keep in plan.keeps)
            if edit.what in KINDS and inside(edit, Spot((default_region(edit.what),))):
                strengths[KINDS.index(edit.what)] = 0.0 if kept else edit.strength
        return SimpleNamespace(photo=replace(analysis.photo, pixels=strengths))

    def measure(self, analysis: Any, plan: Plan, rendering: Any) -> Any:
        def edit(wish: Edit) -> EditMeasure:
            return EditMeasure(0.1, 1.0, 1 - wish.strength, wish.strength)

        kept = tuple(SimpleNamespace(found=0.1, max_change=0) for _ in plan.keeps)
        edits = tuple(edit(wish) for wish in plan.edits)
        return Measurement(edits, kept, outside_max_change=0)


class RememberingParser(EmbeddedParser):
    """The embedded parser; a sentence is not searched again while the same of the things that it
    names are in force."""

    def _search(self, message: Message, state: State | None) -> list[Hypothesis]:
        edits = state.edits if state else []
        named = {edit.what for edit in edits if WORDS.get(edit.what, "") in message.text}
        key = message.text, tuple(sorted(named)), bool(edits)
        searched = self.__dict__.setdefault("searched", {})
        if key not in searched:
            searched[key] = super()._search(message, state)
        return searched[key]


@dataclass(frozen=True)
class Taste:
    """What one user wants: per kind a strength, moved by the sides of their hinges that a photo is
    on; with no hinges (`fickle`) something else every time."""

    base: np.ndarray
    moves: np.ndarray
    hinges: tuple[tuple[Feature, float], ...]
    fickle: bool

    @classmethod
    def draw(cls, rng: np.random.Generator, fickle: bool) -> Taste:
        count = 1 if rng.random() < 0.6 else 2
        chosen = rng.choice(len(HINGES), count, replace=False)
        size = (count, len(KINDS))
        moves = rng.uniform(0.15, 0.45, size) * rng.choice((-1, 1), size)
        moves *= rng.random(size) < 0.7
        hinges = tuple(HINGES[i] for i in chosen)
        return cls(rng.uniform(0.1, 0.9, len(KINDS)), moves, hinges, fickle)

    def wanted(self, scene: PhotoScene, rng: np.random.Generator) -> np.ndarray:
        """(kinds,) strengths for one photo; nearly nothing is nothing, nearly all is all."""
        if self.fickle:
            return rng.uniform(0, 1, len(KINDS))
        sides = np.array([1 if scene[name] > middle else -1 for name, middle in self.hinges])
        want = self.base + sides @ self.moves + rng.normal(0, 0.04, len(KINDS))
        return np.where(want < 0.08, 0.0, np.where(want > 0.92, 1.0, want))


def draw_photo(rng: np.random.Generator) -> Photo:
    """A photo as people take them: a third groups, half close, a fifth black and white ..."""
    grey = rng.random() < 0.2
    values: dict[Feature, float] = {
        "faces": 0.25 if rng.random() < 0.67 else rng.choice((0.5, 0.75, 1.0)),
        "size": rng.uniform(0.45, 0.9) if rng.random() < 0.5 else rng.uniform(0.1, 0.45),
        "key": rng.beta(3, 3.5),
        "contrast": rng.beta(5, 3),
        "warmth": 0.5 if grey else 0.5 + rng.normal(0, 0.12),
        "side": 0.5 + rng.normal(0, 0.12),
        "above": 0.5 + rng.normal(0, 0.12),
        "flash": float(rng.random() < 0.25),
        "colour": 0.0 if grey else rng.uniform(0.2, 0.8),
        "softness": rng.uniform(0.05, 0.95),
        "sharpness": rng.beta(4, 3),
        "noise": rng.beta(1.5, 6),
    }
    shown = list(KINDS)
    if rng.random() < 0.5:
        del shown[rng.integers(len(shown))]
    return Photo(scene_of(values), tuple(shown), np.zeros(len(KINDS)))


def talk(session: Session, photo: Photo, want: np.ndarray, rng: np.random.Generator) -> Outcome:
    """One conversation until the user is satisfied or gives up."""
    reply = session.say(str(rng.choice(OPENINGS)))
    first = float(np.mean([abs(_strength(session, k) - want[KINDS.index(k)]) for k in photo.shown]))
    turns = 1
    while turns < MOST_TURNS:
        if reply.outcome == "asked":
            message = "yes"
        else:
            wrong = _complaints(session, photo, want, rng)
            if not wrong:
                break
            message = _message(wrong, rng)
        reply = session.say(message)
        turns += 1
    praise = str(rng.choice(PRAISE, p=(0.4, 0.3, 0.2, 0.1)))
    if praise:
        session.say(praise)
    return Outcome(turns, first)


@dataclass(frozen=True)
class Outcome:
    """Messages until satisfied; mean error of the first proposal."""

    turns: int
    error: float


def _strength(session: Session, kind: Kind) -> float:
    return session.result.strength(kind)  # type: ignore[attr-defined]


def _complaints(
    session: Session, photo: Photo, want: np.ndarray, rng: np.random.Generator
) -> list[tuple[Kind, float, float]]:
    """Kind, wanted strength and how much is missing, as seen; the worst first."""
    seen = []
    for kind in photo.shown:
        aim = float(want[KINDS.index(kind)])
        missing = aim - _strength(session, kind) + rng.normal(0, EYESIGHT)
        if abs(missing) > TOLERANCE:
            seen.append((kind, aim, float(missing)))
    return sorted(seen, key=lambda one: -abs(one[2]))


def _message(wrong: Sequence[tuple[Kind, float, float]], rng: np.random.Generator) -> str:
    """What is said about the worst, and about another that needs the same."""
    kind, aim, missing = wrong[0]
    if aim in (0.0, 1.0) and rng.random() < 0.7:
        return str(rng.choice(REMOVES if aim else RESTORES)).format(kind=WORDS[kind])
    if rng.random() < 0.15:
        return f"{WORDS[kind]} to {5 * round(20 * aim)}%"
    step, more = _step(missing)
    kinds = [WORDS[kind]]
    kinds += [WORDS[k] for k, _, other in wrong[1:] if _step(other) == (step, more)][:1]
    return str(rng.choice(STEPS[step])).format(more=more, kind=" and the ".join(sorted(kinds)))


def _step(missing: float) -> tuple[float, str]:
    nearest = min(STEPS, key=lambda step: abs(step - abs(missing)))
    return nearest, "more" if missing > 0 else "less"


# -- the memories compared ---------------------------------------------------------------------


def _flat(value: Callable[[Sequence[Observation]], Observation | float]) -> Callable:
    """A memory that knows nothing but one number per place, and always trusts it."""

    def weigh(seen: Iterable[Observation], scene: PhotoScene | None) -> tuple[Preference, ...]:
        places = defaultdict(list)
        for one in seen:
            places[one.place].append(one)
        return tuple(
            Preference(
                one[-1].kind, one[-1].region, one[-1].side, None, "reduce",
                round(float(value(one)), 2), None, "accepted", len(one), len(one), None,
                one[-1].time, 1.0,
            )
            for one in places.values()
        )  # fmt: skip

    return weigh


def _blind(seen: Iterable[Observation], scene: PhotoScene | None) -> tuple[Preference, ...]:
    return weigh([one.model_copy(update={"scene": None}) for one in seen], None)


MEMORIES: dict[str, Callable | None] = {
    "no memory": None,
    "last value": _flat(lambda seen: seen[-1].value),
    "global mean": _flat(lambda seen: float(np.mean([one.value for one in seen]))),
    "scene-blind": _blind,
    "scene-aware": weigh,
}


# Whether memory does harm to users whose tastes are random.
FOR_FICKLE = ("no memory", "scene-aware")


@lru_cache
def _parser() -> EmbeddedParser:
    return RememberingParser.load(Settings())


def simulate(memory: str, users: Sequence[int], photos: int, fickle: bool) -> list[list[Outcome]]:
    """(users, photos) outcomes; the same seed is the same person with the same photos."""
    how = MEMORIES[memory]
    preferences = Preferences(Store("sqlite://"), *([how] if how else []))
    agent = RetouchAgent.load(_parser(), preferences, Settings(), PlanStudio())  # type: ignore
    rows = []
    for seed in users:
        rng = np.random.default_rng(seed)
        taste = Taste.draw(rng, fickle)
        shots = [draw_photo(rng) for _ in range(photos)]
        wants = [taste.wanted(shot.view, rng) for shot in shots]
        user = f"user {seed}" if how else None
        row = []
        for at, (shot, want) in enumerate(zip(shots, wants, strict=True)):
            session = agent.open(shot, user, save_to="unwritten.png")
            row.append(talk(session, shot, want, np.random.default_rng((seed, at))))
        rows.append(row)
    return rows


def _table(found: dict[str, list[list[Outcome]]], at: Sequence[int], name: str) -> Iterable[str]:
    yield f"| {name} | " + " | ".join(f"photo {n}" for n in at) + " | mean |"
    yield "| --- " * (len(at) + 2) + "|"
    for memory, rows in found.items():
        values = np.array([[getattr(one, name) for one in row] for row in rows], float)
        shown = [*(values[:, n - 1].mean() for n in at), values.mean()]
        digits = 2 if name == "turns" else 3
        yield f"| {memory} | " + " | ".join(f"{value:.{digits}f}" for value in shown) + " |"


def _difference(found: dict[str, list[list[Outcome]]], name: str) -> str:
    """What memory adds to no memory for the same users and photos, with its standard error."""
    mine, none = (
        np.array([[getattr(one, name) for one in row] for row in found[memory]], float).mean(1)
        for memory in reversed(FOR_FICKLE)
    )
    error = (mine - none).std(ddof=1) / np.sqrt(len(mine))
    return f"{name}: scene-aware less no memory {(mine - none).mean():+.4f} +- {error:.4f}"


def main(
    users: Annotated[int, typer.Option(help="simulated users")] = 200,
    photos: Annotated[int, typer.Option(help="photos of each")] = 30,
    seed: Annotated[int, typer.Option(help="first seed; below 2000 is for development")] = 2000,
    only: Annotated[list[str] | None, typer.Option(help="these memories alone")] = None,
    workers: Annotated[int, typer.Option(help="processes")] = 2,
) -> None:
    """Turns until satisfied and error of the first proposal, with five kinds of memory."""
    people = list(range(seed, seed + users))
    at = [n for n in (1, 2, 3, 5, 10, 20, 30) if n <= photos]
    memories = only or list(MEMORIES)
    tasks = [(name, fickle) for fickle in (False, True) for name in memories]
    tasks = [(name, fickle) for name, fickle in tasks if not fickle or name in FOR_FICKLE]
    parts = defaultdict(list)
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        for begin in range(0, users, CHUNK):
            for name, fickle in tasks:
                some = people[begin : begin + CHUNK]
                parts[name, fickle].append(pool.submit(simulate, name, some, photos, fickle))
        for fickle in (False, True):
            found = {
                name: [row for part in parts[name, fickle] for row in part.result()]
                for name, whose in tasks
                if whose == fickle
            }
            kind = "whose tastes are random" if fickle else "with tastes that hang on the scene"
            print(f"\n{users} users {kind}, seeds {seed} to {people[-1]}:\n")
            for name in ("turns", "error"):
                print("\n".join(_table(found, at, name)), end="\n\n", flush=True)
            if set(FOR_FICKLE) <= set(found) and users > 1:
                for name in ("turns", "error"):
                    print(_difference(found, name), flush=True)


if __name__ == "__main__":
    typer.run(main)
