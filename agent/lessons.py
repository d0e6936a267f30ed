"""Between conversation and memory: what there is to learn, and what memory brings to a photo."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, cast

from agent.scene import Scene
from agent.state import Conversation, Held, Made, Toned
from agent.toning import kept_whole, shared, total
from llm.commands import Command, Keep, Reduce, Tone
from memory.observation import Observation, Preference, Source
from memory.scene import PhotoScene
from vision import plan
from vision.places import meet
from vision.vocabulary import Kind, expand_kind


@dataclass(frozen=True)
class Visit:
    """One conversation about one photo: a random word, and what kind of photo it is."""

    name: str
    scene: PhotoScene


def lessons(states: Sequence[Conversation], source: Source, visit: Visit) -> list[Observation]:
    """What the last state says about its user: strengths, light and colour, keeps said in this
    chat, and what was proposed in an earlier state and taken back since."""
    conversation = states[-1]
    common = {"source": source, "scene": visit.scene, "visit": visit.name}
    edits = [(made.edit, made.edit.strength) for made in conversation.edits]
    learnt = [
        Observation(
            kind=edit.what, region=region, side=edit.side, phrase=edit.phrase,
            polarity="reduce", strength=strength, **common,
        )
        for edit, strength in [*((made.edit, 0.0) for made in _taken_back(states)), *edits]
        for region in edit.where
    ]  # fmt: skip
    toned = [(toned.tone, total(conversation.tones, toned.tone)) for toned in conversation.tones]
    learnt += [
        Observation(
            kind=tone.attribute, region=tone.where, side=tone.side, polarity="shift",
            amount=amount, **common,
        )
        for tone, amount in [*((toned.tone, 0.0) for toned in _tones_taken_back(states)), *toned]
    ]  # fmt: skip
    learnt += [
        Observation(
            kind=held.keep.what, region=region, side=held.keep.side, phrase=held.keep.phrase,
            polarity="keep", **common,
        )
        for held in conversation.keeps
        if held.origin == "said" and not held.singled  # of that person, not of this user's taste
        for region in held.keep.where
    ]  # fmt: skip
    # The same wish on several faces is one wish.
    return list({(one.place, one.polarity): one for one in learnt}.values())


def _taken_back(states: Sequence[Conversation]) -> Iterator[Made]:
    """What was proposed at any time, of whose kind nothing is edited or kept at the place now."""
    present = states[-1]
    proposed = (made for state in states for made in state.edits if made.named == "auto")
    for made in dict.fromkeys(proposed):
        edited = any(
            other.edit.what == made.edit.what and meet(other.edit, made.edit)
            for other in present.edits
        )
        kept = any(
            held.keep.what in (made.edit.what, "everything") and meet(held.keep, made.edit)
            for held in present.keeps
        )
        if not (edited or kept):
            yield made


def _tones_taken_back(states: Sequence[Conversation]) -> Iterator[Toned]:
    """The same of tones."""
    present = states[-1]
    proposed = (toned for state in states for toned in state.tones if toned.proposed)
    for toned in dict.fromkeys(proposed):
        if not (shared(present.tones, toned.tone) or kept_whole(present.keeps, toned.tone)):
            yield toned


def of_one(command: Command) -> bool:
    """Whether a command names somebody: a rule about one of several is none for other photos."""
    return getattr(command, "who", None) not in (None, "everyone")


def rules(commands: Sequence[Command]) -> list[Observation]:
    """The standing rules ("from now on") among the commands of one message."""
    return [
        Observation(
            kind=kind, region=region, side=command.side,
            phrase=command.phrase if kind == "other" else None,
            polarity=command.do, strength=getattr(command, "strength", None), source="explicit",
        )
        for command in commands
        if isinstance(command, Reduce | Keep) and command.always
        for kind in _kinds(command.what)
        for region in command.where
    ] + [
        Observation(
            kind=command.attribute, region=region, side=command.side,
            polarity="shift", amount=command.amount, source="explicit",
        )
        for command in commands
        if isinstance(command, Tone) and command.always
        for region in command.where
    ]  # fmt: skip


def standing_keeps(usual: Sequence[Preference], scene: Scene) -> tuple[Held, ...]:
    """The keeps that hold on every photo of this user, on every face."""
    everyone = tuple(range(len(scene.faces)))
    return tuple(
        Held(
            plan.Keep(kind, (one.region,), face, one.side, one.phrase),
            origin="remembered",
            reason=one.reason,
            guarded=kind == "everything" or scene.knows(kind, one.phrase, everyone),
        )
        for one in usual
        if one.polarity == "keep"
        for kind in [cast("Kind | Literal['everything']", one.kind)]
        for face in everyone
    )


def _kinds(what: str) -> Sequence[Kind]:
    return (what,) if what == "everything" else expand_kind(what)  # type: ignore
