"""Whole messages as people wrote them, with slots for what varies, and the commands they mean.

A line of ../fragments/messages_*.jsonl is {"t": text, "c": commands, "s"?: what the conversation
must hold}. Slots of the text: {a} to {d} imperfections, {A} to {D} the same with a place of their
own, {p} {q} {r} regions ({on p}: with a preposition), {n} {m} {o} numbers, {w} {v} people, {side}
and {otherside}, {e} the last edit, {f} an earlier one, {k} something kept, {u} a wish outside of
retouching; [[words]] are quoted by commands as "1", "2". Commands name slots in place of values.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from llm.commands import State, StateEdit
from llm.sequences import Spoken
from training.language.corpus import discourse, fragments
from training.language.corpus.speaker import MARK, Draft, Speaker, Thing, Utterance
from vision.vocabulary import KINDS, default_region

Frame = dict[str, Any]


class Unfit(Exception):
    """What was drawn cannot fill a frame's slots; draw again."""


_SLOT = re.compile(r"\{(on )?(\w+)(?:=([a-z_|]+))?\}|\[\[(.+?)\]\]")
_MARKS = re.compile(f"[{chr(MARK)}-{chr(MARK + 0x3FF)}]")
_THINGS, _PLACES, _NUMBERS, _FACES = "abcdABCD", "pqr", "nmo", "wv"
_TONED = ("face", "background", "hair", "eyes", "skin", "lips", "teeth", "face", "background")
_TRIES = 60


@cache
def load() -> tuple[Frame, ...]:
    """Every author's frames, in the order of the files' names."""
    files = sorted(fragments.FOLDER.glob("messages_*.jsonl"))
    return tuple(json.loads(line) for file in files for line in file.read_text().splitlines())


def message(s: Speaker) -> Utterance:
    """One frame, spoken; the conversation is changed where the frame needs another one."""
    return spoken(s, s.pick(_pool()))


@cache
def _pool() -> tuple[Frame, ...]:
    """Long messages are rare among frames, and hardest to learn: they come three times as often."""
    return tuple(frame for frame in load() for _ in range(3 if len(frame["c"]) > 2 else 1))


def part(s: Speaker) -> Utterance:
    """One short frame that leans on nothing said before, to stand beside others."""
    return spoken(s, s.pick(_parts()))


@cache
def _parts() -> tuple[Frame, ...]:
    return tuple(
        frame
        for frame in load()
        if len(frame["c"]) <= 2
        and "s" not in frame
        and not {c["do"] for c in frame["c"]} & {"chat", "help", "adjust", "restore"}
        and not _named(frame["c"], "what") & {"last", "e", "f", "k"}
        and not {match[2] for match in _SLOT.finditer(frame["t"])} & {"e", "f", "k"}
    )


def spoken(s: Speaker, frame: Frame) -> Utterance:
    """Fill a frame's slots."""
    s.state = _conversation(s, frame)
    filling = _Filling(s, frame)
    text = _SLOT.sub(filling.slot, frame["t"])
    return Utterance(text, [filling.draft(command) for command in frame["c"]])


def _conversation(s: Speaker, frame: Frame) -> State:
    """The present state, if the frame makes sense in it, or another one in which it does."""
    needs, names = frame.get("s"), _named(frame["c"], "what")
    slots = {match[2] for match in _SLOT.finditer(frame["t"])}
    faces = 2 if slots & set(_FACES) else 1
    if needs == "tone":
        return _toned(s, frame)
    state = s.state
    for _ in range(_TRIES):
        edits = _edits(state)
        fits = (
            (edits or not (needs or names & {"last", "e", "everything"}) or _fresh(frame))
            and (_last(state) in edits or not (names & {"last", "e"} or "e" in slots))
            and ("f" not in slots or len({edit.what for edit in edits}) > 1)
            and ("k" not in slots or any(kept != "everything" for kept in state.kept))
            and (needs != "side" or (_last(state) is not None and _last(state).side is not None))
        )
        if fits:
            state = state.model_copy(update={"faces": max(state.faces, faces)})
            return _with_edits(s, state, frame)
        state = discourse.state(s)
        if "k" in slots and not state.kept:
            state = state.model_copy(update={"kept": [s.kind()]})
    raise Unfit(f"no conversation fits {frame['t']}")


def _with_edits(s: Speaker, state: State, frame: Frame) -> State:
    """The conversation with an edit of every kind whose edit the frame names outright."""
    named = [c["what"] for c in frame["c"] if c["do"] in ("adjust", "restore")]
    done = {edit.what for edit in state.edits}
    new = [
        StateEdit(what=kind, where=[default_region(kind)], strength=s.pick((0.3, 0.5, 0.8, 1.0)))
        for kind in dict.fromkeys(named)
        if kind in KINDS and kind not in done
    ]
    last = len(new) - 1 + (0 if state.last is None else state.last + 1)
    return state.model_copy(
        update={"edits": [*new, *state.edits], "last": last if last >= 0 else None}
    )


def _fresh(frame: Frame) -> bool:
    """Whether "everything" in it needs no edit before it: a keep, a wish to forget."""
    return frame.get("s") is None and not any(c["do"] == "adjust" for c in frame["c"])


def _toned(s: Speaker, frame: Frame) -> State:
    """A conversation whose last edit was one of light or colour, which the frame speaks of."""
    state = discourse.state(s)
    tones = [command for command in frame["c"] if command["do"] == "tone"]
    if not tones:
        raise ValueError(f"no light or colour in {frame['t']}")
    where = [name for name in tones[0].get("where", ()) if name not in _PLACES] or ["image"]
    amount = s.pick((0.15, 0.3, 0.3, 0.6)) * (1 if s.chance(0.8) else -1)
    edit = StateEdit(what=tones[0]["attribute"], where=where, strength=amount)
    edits = [*state.edits[:2], edit]
    return state.model_copy(update={"edits": edits, "last": len(edits) - 1})


def _edits(state: State) -> list[StateEdit]:
    return [edit for edit in state.edits if edit.what in KINDS and edit.what != "other"]


def _last(state: State) -> Any:
    return state.edits[state.last] if state.last is not None else None


def _named(commands: Iterable[Frame], field: str) -> set[str]:
    return {command[field] for command in commands if field in command}


class _Filling:
    """What the slots of one frame were filled with, for its text and its commands alike."""

    def __init__(self, s: Speaker, frame: Frame):
        self.s, self.frame = s, frame
        self.drafts: dict[str, Draft] = {}  # of things, edits, wishes and quoted words
        self.named: dict[str, str] = {}  # what each thing was called
        self.regions: dict[str, Any] = {}
        self.numbers: dict[str, Spoken] = {}
        self.faces: dict[str, Any] = {}
        self.kinds: list[str] = []
        self.side = s.pick(("left", "right"))
        self.quotes = 0

    def slot(self, match: re.Match[str]) -> str:
        """The words for one slot."""
        s, name = self.s, match[2]
        if match[4] is not None:
            self.quotes += 1
            return s.marked(match[4], self.drafts.setdefault(str(self.quotes), {}))
        if name in _THINGS:
            return self._thing(name, (match[3] or "").split("|") if match[3] else KINDS)
        if name in _PLACES:
            region = self._region(name)
            return s.place(region) if match[1] else s.place_name(region)
        if name in _NUMBERS:
            words, self.numbers[name] = s.number()
            return words
        if name in _FACES:
            return self._face(name)
        if name in ("side", "otherside"):
            return self._side(name)
        if name in ("e", "f", "k"):
            return self._mentioned(name)
        if name == "u":
            return s.marked(s.phrase("unsupported"), self.drafts.setdefault("u", {}))
        raise ValueError(f"a frame asks for something unknown: {match[0]}")

    def _thing(self, name: str, kinds: Sequence[str]) -> str:
        """An imperfection; one that a command places must take a place."""
        if name in self.named:  # said again: the same thing, quoted where it was said first
            return self.named[name]
        commands = [c for c in self.frame["c"] if c.get("what") == name]
        placed = any("where" in c or "side" in c for c in commands)
        quoted = any(c["do"] in ("reduce", "keep") for c in commands)
        for _ in range(_TRIES):
            kind = self.s.kind() if kinds is KINDS else self.s.pick(kinds)
            thing = self._drawn(kind, name.isupper(), quoted)
            named = fragments.bare(thing.text)
            fits = default_region(kind) == "face" and fragments.takes_place(kind, named)
            if kind not in self.kinds and (fits or not placed):
                self.kinds.append(kind)
                self.drafts[name] = thing.draft
                self.named[name] = _MARKS.sub("", thing.text)
                return thing.text
        raise Unfit(f"no imperfection fits {self.frame['t']}")

    def _drawn(self, kind: str, with_place: bool, quoted: bool) -> Thing:
        if with_place:
            return self.s.thing(kind, plain=0.5, mark=quoted)
        text, draft = self.s.noun(kind), {"what": kind}
        if (implied := fragments.implied_region(kind, text)) is not None:
            draft["where"] = [implied]
        return Thing(self.s.marked(text, draft) if quoted else text, draft)

    def _region(self, name: str) -> Any:
        if name not in self.regions:
            toned = any(c["do"] == "tone" and name in c.get("where", ()) for c in self.frame["c"])
            region = self.s.pick(_TONED) if toned and self.s.chance(0.7) else self.s.region()
            while region in self.regions.values():
                region = self.s.region()
            self.regions[name] = region
        return self.regions[name]

    def _face(self, name: str) -> str:
        # Beside others, or beside everyone, somebody is one person.
        names = [command.get("who") for command in self.frame["c"]]
        one = "everyone" in names or len(set(names) & set(_FACES)) > 1
        words, who = self.s.face()
        while who in self.faces.values() or (one and who == "everyone"):
            words, who = self.s.face()
        self.faces[name] = who
        return words

    def _side(self, name: str) -> str:
        return self.side if name == "side" else {"left": "right", "right": "left"}[self.side]

    def _mentioned(self, name: str) -> str:
        """An edit of the conversation, or something kept, as the user calls it."""
        state, s = self.s.state, self.s
        if name == "k":
            kind, places = s.pick([kept for kept in state.kept if kept != "everything"]), None
        else:
            last = _last(state)
            others = [edit for edit in _edits(state) if edit.what != last.what]
            edit = last if name == "e" else s.pick(others)
            kind, places = edit.what, edit.where
        for _ in range(_TRIES):
            text = s.noun(kind)
            implied = fragments.implied_region(kind, text)
            if implied is None or (places is not None and implied in places):
                self.drafts[name] = draft = {"what": kind}
                quoted = any(
                    c.get("what") == name and c["do"] in ("reduce", "keep") for c in self.frame["c"]
                )
                return s.marked(text, draft) if quoted else text
        raise Unfit(f"no word for {kind} fits {self.frame['t']}")

    def draft(self, command: Frame) -> Draft:
        """A command with its slots filled."""
        made: Draft = {**command}
        if "what" in command:
            made |= self.drafts.get(command["what"], {})
        if "phrase" in command:
            made["mark"] = self.drafts[made.pop("phrase")]["mark"]
        if "where" in command:
            made["where"] = [self.regions.get(name, name) for name in command["where"]]
        elif self._stays(command):
            made["where"] = ["there"]
        if command.get("side") in ("side", "otherside"):
            made["side"] = self._side(command["side"])
        if "who" in command:
            made["who"] = self.faces.get(command["who"], command["who"])
        for field in ("strength", "delta", "amount"):
            if isinstance(command.get(field), str):
                made[field] = self._number(command[field])
            elif field in command:
                made[field] = fragments.said(self.frame["t"], command[field])
        return made

    def _stays(self, command: Frame) -> bool:
        """Whether the place is that of the edit spoken of."""
        again = command["do"] == "reduce" and command.get("what") in ("e", "f")
        return again or (command["do"] == "tone" and self.frame.get("s") == "tone")

    def _number(self, value: str) -> Any:
        number = self.numbers.get(value.lstrip("-"))
        if number is None:
            return value  # same, half, double, full
        return Spoken(-number) if value.startswith("-") else number
