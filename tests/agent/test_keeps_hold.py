"""What is kept does not change by a level, in random conversations of all commands.

Once after every turn for whatever is in force then, and once for keeps said at the beginning, told
apart from the agent's own bookkeeping: among commands that name nothing of them, they hold to the
end.
"""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from skimage.data import astronaut

from agent import RetouchAgent
from agent.recipe import Recipe, apply
from llm.commands import Turn
from vision.engine import FOUND
from vision.places import narrower, parts
from vision.vocabulary import KINDS, LEARNT_KINDS, REGIONS, SIDES, TONE_ATTRIBUTES, expand_kind

SEQUENCES, MESSAGES = 120, 10
STRENGTHS = (0.0, 0.3, 0.5, 0.8, 1.0)
DELTAS = (-0.4, -0.1, 0.1, 0.4)
PEOPLE = (
    {"wrinkles": ["face"], "freckles": ["face", "neck"], "moles": ["cheeks", "chin"]},
    {"wrinkles": ["skin"], "acne": ["chin", "nose"], "redness": ["cheeks"], "moles": ["face"]},
    {"dark_circles": ["under_eyes"], "freckles": ["nose"], "shine": ["t_zone"]},
)
VERBS = (
    "reduce reduce reduce keep keep allow adjust adjust restore tone tone tone auto undo redo "
    "reset accept remember forget show explain save help unsupported"
).split()


class Chance(Random):
    """A seed's random choices, among few kinds and regions, so that wishes meet."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.regions = [*self.sample(REGIONS, 4), "face", "image"]
        self.kinds = [*self.sample(KINDS, 3), "wrinkles", "moles"]


def somewhere(rng: Chance, faces: int) -> dict:
    place: dict = {}
    if rng.random() < 0.7:
        place["where"] = rng.sample(rng.regions, rng.choice((1, 1, 2)))
    if rng.random() < 0.3:
        place["side"] = rng.choice(SIDES)
    if rng.random() < 0.4:
        names = ("photo_left", "photo_right", "middle", "largest", "smallest", "everyone")
        place["who"] = rng.choice((*names, *range(1, faces + 2)))
    return place


def kind_of(rng: Chance, *more: str) -> dict:
    what = rng.choice((*rng.kinds, *more))
    return {"what": what} | ({"phrase": "my bruise"} if what == "other" else {})


def command(rng: Chance, faces: int) -> dict:
    verb = rng.choice(VERBS)
    fields = {
        "reduce": lambda: {
            **kind_of(rng), **somewhere(rng, faces), "strength": rng.choice(STRENGTHS),
        },
        "keep": lambda: {**kind_of(rng, "everything"), **somewhere(rng, faces)},
        "adjust": lambda: {
            "what": rng.choice((*rng.kinds, "last", "everything")), **somewhere(rng, faces),
            "delta": rng.choice(DELTAS),
        },
        "restore": lambda: {
            "what": rng.choice((*rng.kinds, "last", "everything")), **somewhere(rng, faces),
        },
        "allow": lambda: {"what": rng.choice((*rng.kinds, "everything")), **somewhere(rng, faces)},
        "tone": lambda: {
            "attribute": rng.choice(TONE_ATTRIBUTES), **somewhere(rng, faces),
            "amount": rng.choice(DELTAS),
        },
        "auto": lambda: {"strength": rng.choice(STRENGTHS), **somewhere(rng, faces)},
        "undo": lambda: {"steps": rng.choice((1, 1, 2))},
        "redo": lambda: {"steps": rng.choice((1, 1, 2))},
        "forget": lambda: {"what": rng.choice((*rng.kinds, "everything"))},
        "show": lambda: {"view": rng.choice(("before", "after", "split", "mask"))},
        "unsupported": lambda: {"phrase": "a hat"},
    }.get(verb, dict)()  # fmt: skip
    return {"do": verb, **fields}


def message(rng: Chance, faces: int) -> Turn:
    commands = [command(rng, faces) for _ in range(rng.choice((1, 1, 2, 3)))]
    return Turn.model_validate({"commands": commands})


def say(session, turn: Turn, rng: Chance) -> None:
    """One message; where the agent asks which face, an answer."""
    if session.perform(turn).outcome == "asked":
        session.say(rng.choice(("the left one", "2", "everyone")))


def cells_of(talk, keep) -> np.ndarray:
    """(H, W) bool, what a keep protects in the tiny world."""
    if keep.what == "everything":
        return talk.studio._shut(keep)
    mask = np.zeros(talk.session.photo.pixels.shape[:2], bool)
    if keep.what in LEARNT_KINDS:
        row = keep.face * len(LEARNT_KINDS) + LEARNT_KINDS.index(keep.what)
        face = talk.studio.faces()[keep.face]
        mask[row, face.cells(keep.what, keep.where, keep.side)] = True
    return mask


def assert_in_force(talk) -> None:
    """Every keep of the present state holds, but for what overrules it by name."""
    state = talk.session._chat.history.present
    moved = talk.session.result.pixels != talk.session.photo.pixels
    for held in (held for held in state.keeps if held.guarded):
        kept = cells_of(talk, held.keep)
        for made in state.edits:
            if made.edit.what == held.keep.what and narrower(made.edit, held.keep):
                kept &= ~cells_of(talk, made.edit)
        assert not moved[kept].any(), (held, state)


def replayed(talk) -> None:
    recipe = Recipe.from_json(talk.session.recipe().to_json())
    again = apply(talk.session.photo, recipe, talk.studio)
    assert again.pixels.tobytes() == talk.session.result.pixels.tobytes()


@pytest.mark.parametrize("seed", range(SEQUENCES))
def test_keeps_in_force_hold(opened, tmp_path, seed):
    rng = Chance(seed)
    faces = rng.choice((1, 1, 2, 3))
    talk = opened(*PEOPLE[:faces], user=rng.choice((None, "mia")), save_to=tmp_path / "out.png")
    seen: dict = {}
    for _ in range(MESSAGES):
        say(talk.session, message(rng, faces), rng)
        assert_in_force(talk)
        # The same state shows the same pixels however it is reached, by undo and redo as well.
        state = talk.session._chat.history.present
        plan = state.plan(talk.session._chat.in_focus, talk.session._chat.desk.reached)
        pixels = talk.session.result.pixels.tobytes()
        assert seen.setdefault(plan, pixels) == pixels
    replayed(talk)


def first_keeps(rng: Chance) -> list[dict]:
    """What is to be held to the end, of every face."""
    wishes = []
    for _ in range(rng.choice((1, 2))):
        known = [kind for kind in rng.kinds if kind in LEARNT_KINDS]
        what = rng.choice((*known, "everything", "everything", "everything"))
        wish = {"do": "keep", "what": what, "where": [rng.choice(rng.regions[:-1])]}
        wishes.append(wish | ({"side": rng.choice(SIDES)} if rng.random() < 0.3 else {}))
    return wishes


def names_kept(turn: Turn, keeps: list[dict]) -> bool:
    """Whether a message may lift one of these keeps, so that it proves nothing about it."""
    for command in turn.commands:
        if command.do in ("allow", "undo"):
            return True  # as a message of its own, `undo` is tried as far as the keeps
        for keep in keeps:
            kept = parts(keep["where"])
            if command.do == "tone":
                named = keep["what"] == "everything"
                if named and any(parts((region,)) <= kept for region in command.where):
                    return True
            elif command.do in ("reduce", "adjust") and command.what not in ("last", "everything"):
                place = parts(command.where)
                if keep["what"] == "everything" and place <= kept:
                    return True
                if keep["what"] in expand_kind(command.what) and place & kept:
                    return True
    return False


def first_kept(talk, keeps: list[dict]) -> np.ndarray:
    """(H, W) bool, all that the first keeps protect, by name."""
    from vision.plan import Keep

    return np.any(
        [
            cells_of(talk, Keep(keep["what"], tuple(keep["where"]), face, keep.get("side")))
            for keep in keeps
            for face in range(len(talk.studio.people))
        ],
        axis=0,
    )


@pytest.mark.parametrize("seed", range(SEQUENCES))
def test_first_keeps_hold_to_the_end(opened, tmp_path, seed):
    rng = Chance(1000 + seed)
    faces = rng.choice((1, 1, 2, 3))
    talk = opened(*PEOPLE[:faces], save_to=tmp_path / "out.png")
    for _ in range(2):  # something that the keeps take back
        say(talk.session, message(rng, faces), rng)
    keeps = first_keeps(rng)
    talk.session.perform(Turn.model_validate({"commands": keeps}))
    kept, since = first_kept(talk, keeps), talk.session._chat.history.at
    for _ in range(MESSAGES):
        turn = message(rng, faces)
        if not names_kept(turn, keeps):
            say(talk.session, turn, rng)
        back = min(rng.choice((0, 0, 1, 2)), talk.session._chat.history.at - since)
        if back:
            talk.session.undo(back)
        changed = talk.session.result.pixels != talk.session.photo.pixels
        assert not changed[kept].any(), (keeps, turn)
        if back and rng.random() < 0.7:
            talk.session.redo(back)
            changed = talk.session.result.pixels != talk.session.photo.pixels
            assert not changed[kept].any(), (keeps, turn)
    replayed(talk)


# -- with real masks --------------------------------------------------------------------------

# What these seeds keep shows on the portrait: kinds, and places within the crop and beyond.
REAL = (
    [{"do": "keep", "what": "everything", "where": ["lips", "background"]}],
    [{"do": "keep", "what": "wrinkles", "where": ["face"]},
     {"do": "keep", "what": "everything", "where": ["nose"]}],
    [{"do": "keep", "what": "everything", "where": ["cheeks"], "side": "left"}],
)  # fmt: skip


def kept_pixels(session, keeps: list[dict]) -> np.ndarray:
    """(H, W) bool, what lies well within the keeps of a photo with one face."""
    (face,) = session.analysis.faces
    stage, photo = session.analysis.stage, session.photo
    own = photo.to_srgb(photo.pixels)
    kept = np.zeros(photo.pixels.shape[:2], bool)
    for keep in keeps:
        for region in keep["where"]:
            if region == "background":
                kept |= stage.mask(region, None, None, stage.everywhere, own) > 0.6
                continue
            area = face.regions.mask(region, keep.get("side")) > 0.5
            if keep["what"] != "everything":
                area &= face.marks(keep["what"]).owner > FOUND
            kept |= face.alignment.to_photo(area.astype(np.float32), kept.shape) > 0.6
    return kept


@pytest.mark.parametrize("seed", range(len(REAL)))
def test_keeps_hold_on_a_real_portrait(real_studio, memory, tmp_path, seed):
    rng, keeps = Chance(seed), REAL[seed]
    agent = RetouchAgent.load(memory=memory, studio=real_studio)
    session = agent.open(astronaut(), save_to=tmp_path / "out.png")
    rng.regions = ["face", "image", "forehead", "cheeks", "nose"]
    rng.kinds = ["wrinkles", "moles", "freckles", "dark_circles"]
    session.perform(Turn.model_validate({"commands": keeps}))
    kept, changes = kept_pixels(session, keeps), 0
    assert kept.any()
    while changes < 5:
        turn = message(rng, 1)
        back = session._chat.history.at
        if names_kept(turn, keeps) or any(command.do == "reset" for command in turn.commands):
            continue
        reply = session.perform(turn)
        changes += reply.changed
        assert {one.max_change for one in reply.report.kept} <= {0}
        assert reply.report.outside_max_change == 0
        for walk in (session.undo, session.redo):
            moved = (session.result.pixels != session.photo.pixels).any(axis=2)
            assert not moved[kept].any(), (keeps, turn)
            if session._chat.history.at > max(back, 1):
                walk()
    replayed = apply(session.photo, Recipe.from_json(session.recipe().to_json()), real_studio)
    assert replayed.pixels.tobytes() == session.result.pixels.tobytes()
