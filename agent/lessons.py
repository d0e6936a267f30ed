"""Between conversation and memory: what there is to learn, and what memory brings to a photo."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from agent.scene import Scene
from agent.state import Conversation, Held
from llm.commands import Command, Keep, Reduce
from memory.preferences import Observation, Preference, Source
from vision import plan
from vision.vocabulary import Kind, expand_kind


def lessons(conversation: Conversation, source: Source) -> list[Observation]:
    """What the present result says about its user: strengths, and keeps said in this chat."""
    learnt = [
        Observation(
            kind=made.edit.what, region=region, side=made.edit.side, phrase=made.edit.phrase,
            polarity="reduce", strength=made.edit.strength, source=source,
        )
        for made in conversation.edits
        if made.edit.strength > 0
        for region in made.edit.where
    ]  # fmt: skip
    learnt += [
        Observation(
            kind=held.keep.what, region=region, side=held.keep.side, phrase=held.keep.phrase,
            polarity="keep", source=source,
        )
        for held in conversation.keeps
        if held.origin == "said"
        for region in held.keep.where
    ]  # fmt: skip
    # The same wish on several faces is one wish.
    return list({(one.place, one.polarity): one for one in learnt}.values())


def rules(commands: Iterable[Command]) -> list[Observation]:
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
    ]  # fmt: skip


def standing_keeps(usual: Sequence[Preference], scene: Scene) -> tuple[Held, ...]:
    """The keeps that hold on every photo of this user, on every face."""
    everyone = tuple(range(len(scene.faces)))
    return tuple(
        Held(
            plan.Keep(one.kind, (one.region,), face, one.side, one.phrase),
            origin="remembered",
            reason=one.reason,
            guarded=one.kind == "everything" or scene.knows(one.kind, one.phrase, everyone),
        )
        for one in usual
        if one.polarity == "keep"
        for face in everyone
    )


def _kinds(what: str) -> Sequence[Kind]:
    return (what,) if what == "everything" else expand_kind(what)  # type: ignore
