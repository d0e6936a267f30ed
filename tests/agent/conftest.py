"""A tiny world in place of the models: one pixel for every (face, kind, named place, side).

Retouching a pixel by a strength takes that share of 100 levels from it, so that every wish of a
conversation can be read off the image, to the integer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest

from agent import RetouchAgent, Session
from agent.studio import LocalStudio
from llm.commands import Turn
from llm.parser import Parsed
from memory.preferences import Preferences
from memory.scene import scene_of
from vision import photo as photos
from vision.errors import NothingToDo
from vision.fill import Shared
from vision.marked import pack, unpack
from vision.measure import Measurement
from vision.places import inside, narrower, parts
from vision.plan import Edit, Fill, Keep, Opening, Plan, Tone
from vision.settings import Settings
from vision.spots import Spot
from vision.vocabulary import LEARNT_KINDS, REGIONS, SKIN_KINDS, Region

PLACES = list(REGIONS)
# The left half of the world's columns is the subject's own left.
SIDES = {None: (0, 1), "left": (0,), "right": (1,), "photo_right": (0,), "photo_left": (1,)}
MARK, CLEAN = 200, 50
LEVELS = 100


@dataclass
class FakeFace:
    """Shows the kinds of `marks` at the named places, or everywhere on the face."""

    index: int
    face: SimpleNamespace
    marks: dict[str, list[Region]]

    def cells(self, what, where, side=None, phrase=None):
        """Columns of the kind's marks in these regions."""
        what = _meant(what, phrase)
        if what not in LEARNT_KINDS:
            raise NothingToDo(f"{what} was never learnt")
        shown = parts(self.marks.get(what, []))
        return columns(sorted(parts(where) & shown), side)

    def found(self, what, where=("face",), side=None, phrase=None):
        return len(self.cells(what, where, side, phrase)) / (2 * len(PLACES))


def _meant(what, phrase):
    """The one thing in words of the user's own that is known here looks like a mole."""
    return "moles" if what == "other" and phrase in ("my tattoo", "the tattoo") else what


def columns(places, side=None):
    return [PLACES.index(place) + half * len(PLACES) for place in places for half in SIDES[side]]


def spot_of(column):
    """The place and the subject's own side of a column."""
    return PLACES[column % len(PLACES)], ("left", "right")[column // len(PLACES)]


class FakeStudio:
    """Renders by the documented rules: of one kind the later edit wins, a keep beats edits unless
    one is narrower than the keep of its own kind."""

    def __init__(self, *faces: dict[str, list[Region]], sizes=None):
        self.people = faces
        self.sizes = sizes or [100] * len(faces)
        self.calls: list[str] = []
        self.sums = {"model": "a" * 64}
        self.dtype, self.threads = "float32", 1
        self.seen = {"faces": len(faces) / 4, "size": 0.6}

    def photo(self) -> np.ndarray:
        rows = max(len(self.people), 1) * len(LEARNT_KINDS)
        pixels = np.full((rows, 2 * len(PLACES), 3), CLEAN)
        for index, face in enumerate(self.faces()):
            for row, kind in enumerate(LEARNT_KINDS):
                for column in face.cells(kind, ["image"]):
                    pixels[index * len(LEARNT_KINDS) + row, column] = MARK
        return pixels.astype(np.uint8)

    def faces(self):
        return tuple(
            FakeFace(i, SimpleNamespace(box=(300.0 * i, 0.0, float(size), float(size))), marks)
            for i, (marks, size) in enumerate(zip(self.people, self.sizes, strict=True))
        )

    def load(self, source):
        return photos.load(source)

    def save(self, photo, path, overwrite):
        return photos.save(photo, path, overwrite=overwrite)

    def analyse(self, photo):
        self.calls.append("analyse")
        return SimpleNamespace(photo=photo, faces=self.faces(), reached=lambda edited: edited)

    def scene(self, analysis, clip):
        return scene_of(self.seen)

    def share_out(self, analysis, marked):
        """The rows of a face are its own, but no face has a background."""
        off = marked.copy()
        marked = marked & (np.array(PLACES * 2) != "background")
        fills = []
        for face in analysis.faces:
            rows = np.s_[face.index * len(LEARNT_KINDS) : (face.index + 1) * len(LEARNT_KINDS)]
            mine = np.zeros_like(marked)
            mine[rows] = marked[rows]
            off &= ~mine
            if mine.any():
                fills.append(Fill(pack(mine), face.index))
        return Shared(tuple(fills), int(off.sum()))

    def render(self, analysis, plan: Plan):
        self.calls.append("render")
        pixels = analysis.photo.pixels.astype(int)
        touched = np.zeros(pixels.shape[:2], bool)
        for row, column, strength in self._strengths(analysis, plan):
            pixels[row, column] = MARK - round(LEVELS * strength)
            touched[row, column] = strength > 0
        for fill in plan.fills:
            filled = unpack(fill.mask) & ~self._kept(analysis, plan)
            pixels[filled] = CLEAN
            touched |= filled
        marks = replace(
            plan,
            keeps=tuple(k for k in plan.keeps if k.what != "everything" or k.mask is not None),
        )
        for tone in plan.tones:
            lit = self._lit(tone) & ~self._kept(analysis, marks)
            for keep in plan.keeps:
                if keep.what == "everything":
                    lit &= ~self._shut(keep)
            pixels[lit, 2] = np.clip(pixels[lit, 2] + round(LEVELS * tone.amount), 0, 255)
            touched |= lit
        retouched = analysis.photo.with_pixels(pixels.astype(np.uint8))
        return SimpleNamespace(photo=retouched, touched=touched)

    def measure(self, analysis, plan: Plan, rendering):
        before = analysis.photo.pixels[..., 0].astype(int)
        after = rendering.photo.pixels[..., 0].astype(int)

        def edit(wish: Edit):
            cells = self._cells(analysis, wish)
            taken = [(before[cell] - after[cell]) / LEVELS for cell in cells]
            mean = float(np.mean(taken)) if taken else 0.0
            return SimpleNamespace(
                found=len(cells) / (2 * len(PLACES)), severity_before=1.0, severity_after=1 - mean,
                reduction=mean, all_over=wish.what in SKIN_KINDS,
            )  # fmt: skip

        def keep(wish):
            if wish.mask is not None:
                held = unpack(wish.mask)
                change = np.abs(before - after)[held].max()
                return SimpleNamespace(found=float(held.mean()), max_change=int(change))
            kinds = LEARNT_KINDS if wish.what == "everything" else [wish.what]
            cells = [
                cell
                for kind in kinds
                for cell in self._cells(
                    analysis, Edit(kind, wish.where, 0, wish.face, wish.side, wish.phrase)
                )
                if not any(
                    made.what == wish.what and narrower(made, wish)
                    and cell in self._cells(analysis, made)
                    for made in plan.edits
                )
            ]  # fmt: skip
            changes = [abs(before[cell] - after[cell]) for cell in cells]
            return SimpleNamespace(
                found=len(cells) / (2 * len(PLACES)), max_change=int(max(changes, default=0))
            )

        def fill(wish: Fill):
            marked = unpack(wish.mask)
            start, end = (float(np.mean(x[marked] - CLEAN)) / 255 for x in (before, after))
            return SimpleNamespace(
                found=float(marked.mean()), severity_before=start, severity_after=end,
                reduction=1 - end / max(start, 1e-6),
                kept=1 - float(rendering.touched[marked].mean()),
            )  # fmt: skip

        def tone(wish: Tone):
            lit = self._lit(wish)
            start, end = (
                float(photo.pixels[lit, 2].mean()) for photo in (analysis.photo, rendering.photo)
            )
            return SimpleNamespace(found=float(lit.mean()), before=start, after=end)

        return Measurement(
            tones=tuple(tone(wish) for wish in plan.tones),
            edits=tuple(edit(wish) for wish in plan.edits),
            kept=tuple(keep(wish) for wish in plan.keeps),
            fills=tuple(fill(wish) for wish in plan.fills),
            outside_max_change=int(np.abs(before - after)[~rendering.touched].max(initial=0)),
        )

    def weights(self):
        return dict(self.sums)

    def _shut(self, keep: Keep):
        """(H, W) bool, where a keep of everything lets no tone in."""
        shut = np.zeros(self.photo().shape[:2], bool)
        rows = np.s_[keep.face * len(LEARNT_KINDS) : (keep.face + 1) * len(LEARNT_KINDS)]
        shut[rows, columns(parts(keep.where), keep.side)] = True
        for opening in keep.openings:
            shut &= ~self._lit(opening)
        return shut

    def _lit(self, wish: Tone | Opening):
        """(H, W) bool, the cells of a tone's place, of one face or of all."""
        lit = np.zeros(self.photo().shape[:2], bool)
        rows = np.s_[:]
        if wish.face is not None:
            rows = np.s_[wish.face * len(LEARNT_KINDS) : (wish.face + 1) * len(LEARNT_KINDS)]
        lit[rows, columns(parts((wish.where,)), wish.side)] = True
        return lit

    def _cells(self, analysis, wish):
        kind = _meant(wish.what, wish.phrase)
        row = wish.face * len(LEARNT_KINDS) + LEARNT_KINDS.index(kind)
        face = analysis.faces[wish.face]
        return [(row, column) for column in face.cells(kind, wish.where, wish.side)]

    def _kept(self, analysis, plan: Plan):
        kept = np.zeros(analysis.photo.pixels.shape[:2], bool)
        for keep in plan.keeps:
            for kind in LEARNT_KINDS if keep.what == "everything" else [keep.what]:
                for cell in self._cells(analysis, Edit(kind, keep.where, 0, keep.face, keep.side)):
                    kept[cell] = True
            if keep.mask is not None:
                kept |= unpack(keep.mask)
        return kept

    def spread(self, analysis, kind, face):
        shown = np.zeros(analysis.photo.pixels.shape[:2], bool)
        for cell in self._cells(analysis, Edit(kind, ("image",), 0, face)):
            shown[cell] = True
        return shown

    def spot_at(self, analysis, x, y):
        row, column = int(y), int(x)
        if analysis.photo.pixels[row, column, 0] != MARK:
            return None
        mask = np.zeros(analysis.photo.pixels.shape[:2], bool)
        mask[row, column] = True
        face, kind = divmod(row, len(LEARNT_KINDS))
        return Spot(LEARNT_KINDS[kind], face, mask)

    def _strengths(self, analysis, plan: Plan):
        by_hand = [unpack(keep.mask) for keep in plan.keeps if keep.mask is not None]
        for edit in plan.edits:
            for row, column in self._cells(analysis, edit):
                named, side = spot_of(column)
                place = Edit(edit.what, (named,), 0, edit.face, side)
                kept = any(
                    keep.what in (edit.what, "everything") and inside(keep, place)
                    and not (keep.what == edit.what and narrower(edit, keep))
                    for keep in plan.keeps
                ) or any(mask[row, column] for mask in by_hand)  # fmt: skip
                yield row, column, 0.0 if kept else edit.strength


class Script:
    """A parser that knows some sentences by heart, and what it was told about the state."""

    def __init__(self):
        self.lines: dict[str, Parsed] = {}
        self.told = []

    def learn(self, text: str, *commands: dict, confidence: float = 1.0) -> str:
        turn = Turn.model_validate({"commands": list(commands)})
        self.lines[text] = Parsed(turn, confidence)
        return text

    def parse(self, text, state=None):
        self.told.append(state)
        return self.lines[text]


class Talk:
    """A session that is spoken to in commands, and its image read in marks."""

    def __init__(self, agent: RetouchAgent, script: Script, session: Session, studio: FakeStudio):
        self.agent, self.script, self.session, self.studio = agent, script, session, studio

    def do(self, *commands: dict, text: str = "", confidence: float = 1.0):
        text = text or str(commands)
        return self.session.say(self.script.learn(text, *commands, confidence=confidence))

    def strength(self, kind: str, place: Region, face: int = 0, side: str = "left") -> float:
        """How much of a mark is gone, 0..1, on one of the subject's own sides."""
        row = face * len(LEARNT_KINDS) + LEARNT_KINDS.index(kind)
        (column,) = columns([place], side)
        return (MARK - int(self.session.result.pixels[row, column, 0])) / LEVELS

    def light(self, place: Region, face: int = 0) -> float:
        """How much the tone of a place has moved, -1..1."""
        pixels = self.session.result.pixels.astype(int) - self.session.photo.pixels
        row = face * len(LEARNT_KINDS) + LEARNT_KINDS.index("shine")  # where nothing is marked
        return int(pixels[row, PLACES.index(place), 2]) / LEVELS


MARKED: dict[str, list[Region]] = {
    "wrinkles": ["face"], "freckles": ["face"], "moles": ["cheeks", "chin"], "acne": ["chin"],
    "dark_circles": ["under_eyes"], "redness": ["cheeks"],
}  # fmt: skip


@pytest.fixture
def memory(tmp_path):
    return Preferences.load(Settings(database_url=f"sqlite:///{tmp_path / 'home' / 'memory.db'}"))


@pytest.fixture
def opened(memory):
    """open(face, ..., user=, sizes=, ask=) -> Talk."""

    def open(*faces, user=None, sizes=None, **options):
        studio = FakeStudio(*(faces or (MARKED,)), sizes=sizes)
        script = Script()
        agent = RetouchAgent.load(parser=script, memory=memory, studio=studio)
        return Talk(agent, script, agent.open(studio.photo(), user=user, **options), studio)

    return open


class OnceStudio(LocalStudio):
    """The shipped models; each photo is analysed once for all tests."""

    def __init__(self):
        super().__init__()
        self.analyses = {}

    def analyse(self, photo):
        if photo.digest not in self.analyses:
            self.analyses[photo.digest] = super().analyse(photo)
        return self.analyses[photo.digest]


@pytest.fixture(scope="session")
def real_studio():
    return OnceStudio()


@pytest.fixture
def nobody(opened):
    """A photo without a face."""

    def open():
        talk = opened()
        talk.studio.people, talk.studio.sizes = (), []
        return talk

    return open
