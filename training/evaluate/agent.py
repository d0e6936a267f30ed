"""`freckle evaluate agent`: whether whole conversations end where they should, turn by turn.

`conversations.json` has scripts of messages about real photos, and what has to stand after each:
the outcome, edits with strengths, keeps, light and colour, the faces in focus, what is looked at,
words of the reply. Parser, memory, rendering and measuring are those that ship. What a turn does
not mention has to be as before. Whatever a turn does, nothing may change outside of the edited
areas, nor where something is kept.

An expected edit reads "wrinkles forehead@left #2 0.5": kind, places, the number of the face where
there are several, strength. "0.3~0.2" is within 0.2 of 0.3, "a|b" either; "auto *" stands for all
edits that the agent chose by itself, whose kinds hang on the detector. After a turn that
went wrong the conversation goes on from where it is, so that later turns are mostly wrong, too.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from agent import RetouchAgent, Session
from agent.outcome import Reply
from agent.state import Conversation, Made
from agent.studio import LocalStudio
from llm.parser import Parser, load_parser
from memory.preferences import Preferences
from vision.errors import FreckleError
from vision.settings import Settings

SCRIPTS = Path(__file__).with_name("conversations.json")
# What holds when a photo is opened.
_START: dict[str, Any] = {"edits": [], "kept": [], "tones": [], "focus": None}
_MOMENTARY = {"outcome", "view", "saved", "says"}


@dataclass
class Judged:
    """One conversation: turns, how many came out as expected, the first that did not, and how; the
    largest change outside of edits and in kept places, of any turn."""

    name: str
    turns: int = 0
    right: int = 0
    wrong: str = ""
    changed: int = 0
    commands: set[str] = field(default_factory=set)


class Album(LocalStudio):
    """The shipped models; every photo is analysed once for all conversations."""

    def __init__(self, data: Path, names: dict[str, str]) -> None:
        super().__init__()
        self._data, self._names = data, names
        self._analyses: dict[str, Any] = {}

    def open(self, name: str) -> np.ndarray:
        """(H, W, 3) uint8: the photo of that name, or several ("a+b") set side by side."""
        from skimage.data import astronaut

        photos = [
            astronaut() if part == "astronaut" else self._read(part) for part in name.split("+")
        ]
        height = max(photo.shape[0] for photo in photos)
        padded = [np.pad(p, ((0, height - p.shape[0]), (0, 0), (0, 0)), "edge") for p in photos]
        return np.concatenate(padded, axis=1)

    def _read(self, name: str) -> np.ndarray:
        from PIL import Image

        file = self._data / self._names[name]
        if not file.is_file():
            raise FreckleError(f"{file} is missing; give the folder of the photos with --data DIR")
        return np.asarray(Image.open(file).convert("RGB"))

    def analyse(self, photo: Any) -> Any:
        if photo.digest not in self._analyses:
            self._analyses[photo.digest] = super().analyse(photo)
        return self._analyses[photo.digest]


def converse(script: dict[str, Any], album: Album, parser: Parser) -> Judged:
    """Hold one conversation, with a memory of its own."""
    judged = Judged(script["name"])
    with tempfile.TemporaryDirectory() as folder:
        memory = Preferences.load(Settings(database_url=f"sqlite:///{folder}/memory.db"))
        agent = RetouchAgent.load(parser=parser, memory=memory, studio=album)

        def opened(photo: str) -> Session:
            place = Path(folder) / f"{len(list(Path(folder).iterdir()))}.png"
            return agent.open(album.open(photo), script.get("user"), save_to=place)

        session, due = opened(script["photo"]), dict(_START)
        for number, turn in enumerate(script["turns"], 1):
            if isinstance(turn, dict):  # the next photo
                session = opened(turn["photo"])
                due = _START | {key: value for key, value in turn.items() if key != "photo"}
                continue
            said, outcome, news = turn
            reply = session.say(said)
            due = {key: value for key, value in due.items() if key not in _MOMENTARY}
            due |= {"outcome": outcome, "view": None, "saved": False} | news
            _judge(judged, f"{number}. “{said}”", session, reply, due)
    return judged


def _judge(judged: Judged, turn: str, session: Session, reply: Reply, due: dict[str, Any]) -> None:
    different = list(differences(session, reply, due))
    kept = [keep.max_change for keep in reply.report.kept]
    moved = (session.result.pixels != session.photo.pixels).any(axis=2) & ~session.mask()
    changed = max(reply.report.outside_max_change, int(moved.any()), *kept, 0)
    judged.turns += 1
    judged.right += not different
    judged.changed = max(judged.changed, changed)
    judged.commands |= {command.do for command in reply.report.commands}
    if different and not judged.wrong:
        read = json.dumps([command.to_json() for command in reply.report.commands])
        judged.wrong = f"{turn}: {'; '.join(different)}; read as {read}"


def differences(session: Session, reply: Reply, due: dict[str, Any]) -> Iterator[str]:
    """What is not as it should be, in words; `due` has the fields of a script's turn."""
    state, faces = session.conversation, reply.report.faces
    several = len(faces) > 1
    focus = [number for number, face in enumerate(faces, 1) if face.in_focus]
    for name, found, wanted in (
        ("outcome", reply.outcome, due["outcome"].split("|")),
        ("view", reply.view, [due["view"]]),
        ("saved", reply.saved is not None, [due["saved"]]),
        ("focus", focus, [due["focus"] if due["focus"] is not None else focus]),
    ):
        if found not in wanted:
            yield f"{name} is {found}, not {' or '.join(map(str, wanted))}"
    for name, there in in_force(state, several).items():
        missing = [wish for wish in due[name] if not any(_fits(wish, one) for one in there)]
        extra = [one for one in there if not any(_fits(wish, one) for wish in due[name])]
        if missing or extra:
            yield f"{name} are {there}, not {due[name]}"
    if (words := due.get("says", "")).casefold() not in reply.text.casefold():
        yield f"“{words}” is not in “{reply.text}”"


def in_force(state: Conversation, several: bool) -> dict[str, list[str]]:
    """Edits, keeps and tones in the notation of the scripts; not the keeps that nobody said."""

    def place(where: Sequence[str], side: str | None, face: int | None) -> str:
        named = "+".join(where) + (f"@{side}" if side else "")
        return named + (f" #{face + 1}" if several and face is not None else "")

    def edit(made: Made) -> str:
        if made.named == "auto" and made.reason is None:
            return f"auto * {made.edit.strength:g}"
        what = made.edit.what if made.named == "auto" else made.named
        spot = place(made.edit.where, made.edit.side, made.edit.face)
        return f"{what} {spot} {made.edit.strength:g}"

    kept = [held.keep for held in state.keeps if held.origin != "policy"]
    everyone = {keep.face for keep in kept}
    return {
        "edits": [edit(made) for made in state.edits],
        "kept": [
            f"{keep.what} {place(keep.where, keep.side, keep.face if len(everyone) < 2 else None)}"
            for keep in kept
        ],
        "tones": [
            f"{tone.attribute} {place((tone.where,), tone.side, tone.face)} {tone.amount:g}"
            for tone in (toned.tone for toned in state.tones)
        ],
    }


def _fits(wish: str, there: str) -> bool:
    """Whether an expectation describes what is there, word for word."""
    wanted, found = wish.split(), there.split()
    return len(wanted) == len(found) and all(map(_fits_word, wanted, found))


def _fits_word(wanted: str, found: str) -> bool:
    return any(_is(one, found) for one in wanted.split("|"))


def _is(wanted: str, found: str) -> bool:
    value, _, off = wanted.partition("~")
    try:
        return abs(float(value) - float(found)) <= float(off or 0) + 1e-6
    except ValueError:
        return wanted == found


def main(
    data: Annotated[Path, typer.Option(help="folder with manifest.csv")],
    only: Annotated[str, typer.Option(help="conversations whose name has this in it")] = "",
) -> None:
    """Scripted conversations on real photos: the state after every turn, and the promises."""
    scripts = json.loads(SCRIPTS.read_text(encoding="utf-8"))
    album, parser = Album(data, scripts["photos"]), load_parser(Settings())
    done: list[Judged] = []
    print("| conversation | turns | as expected | first that was not |")
    print("| --- | --- | --- | --- |")
    for script in scripts["conversations"]:
        if only in script["name"]:
            done.append(one := converse(script, album, parser))
            print(f"| {one.name} | {one.turns} | {one.right} | {one.wrong} |", flush=True)
    turns, right = (sum(getattr(one, name) for one in done) for name in ("turns", "right"))
    whole = sum(not one.wrong for one in done)
    print(f"\n{right} of {turns} turns as expected, {whole} of {len(done)} whole conversations.")
    most = max((one.changed for one in done), default=0)
    print(f"Largest change outside of edits and in kept places, over all turns: {most}.")
    print(f"Commands that came up: {', '.join(sorted(set().union(*(o.commands for o in done))))}.")


if __name__ == "__main__":
    typer.run(main)
