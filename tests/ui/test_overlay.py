"""What is painted over the photo: colours apart, places exact, clicks understood."""

from __future__ import annotations

from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pytest
from skimage.color import rgb2lab

from agent.overview import Finding
from ui.web.overlay import COLOURS, Overlay, outline, paint, rgb
from ui.web.views import PREVIEW_SIDE
from vision.photo import load
from vision.spots import Spot
from vision.vocabulary import LEARNT_KINDS

WIDTH, HEIGHT = 3200, 2400
BOXES = ((200.0, 300.0, 800.0, 1000.0), (2000.0, 300.0, 800.0, 1000.0))
MOLE = (600, 700)  # x, y of the photo


class FakeSession:
    """Two faces; a mole of 40 pixels a side on the left one, which is in focus."""

    def __init__(self, boxes=BOXES) -> None:
        self.photo = load(np.full((HEIGHT, WIDTH, 3), 128, np.uint8))
        faces = tuple(SimpleNamespace(face=SimpleNamespace(box=box)) for box in boxes)
        self.analysis = SimpleNamespace(faces=faces)
        self.focus = (0,)
        self.spreads = 0
        self.mole = np.zeros((HEIGHT, WIDTH), bool)
        self.mole[MOLE[1] - 20 : MOLE[1] + 20, MOLE[0] - 20 : MOLE[0] + 20] = True

    def findings(self):
        return (Finding("moles", 0.01, 0.0, False),)

    def spread(self, kind):
        self.spreads += 1
        return self.mole & (kind == "moles")

    def spot_at(self, x, y):
        hit = self.mole[round(y), round(x)]
        return Spot("moles", 0, self.mole) if hit else None


def shown(overlay: Overlay, point: tuple[float, float]) -> tuple[float, float]:
    """Where a point of the photo is on the overlay."""
    left, top, _, _ = overlay.window
    return (point[0] - left) / overlay.scale, (point[1] - top) / overlay.scale


@pytest.fixture
def overlay() -> Overlay:
    return Overlay(FakeSession())  # type: ignore[arg-type]


def test_every_kind_has_a_colour_that_no_other_is_mistaken_for():
    assert set(COLOURS) >= set(LEARNT_KINDS)
    seen = {kind: rgb2lab(np.array(rgb(COLOURS[kind])) / 255) for kind in COLOURS}
    for one, other in combinations(seen, 2):
        assert np.linalg.norm(seen[one] - seen[other]) > 25, (one, other)


def test_only_what_a_mask_covers_is_painted():
    photo = np.full((40, 40, 3), 100, np.uint8)
    mask = np.zeros((40, 40), bool)
    mask[10:20, 10:20] = True
    picture = paint(photo, [(mask, (200, 0, 0))])
    assert (picture[15, 15] == (150, 50, 50)).all()  # tinted inside
    assert (picture[10, 10] == (200, 0, 0)).all()  # the colour itself at the border
    far = np.ones((40, 40), bool)
    far[8:22, 8:22] = False
    assert (picture[far] == 100).all() and (photo == 100).all()


def test_a_point_of_the_overlay_is_the_same_point_of_the_photo():
    overlay = Overlay(FakeSession(boxes=()))  # type: ignore[arg-type]
    assert overlay.scale == WIDTH / PREVIEW_SIDE == 2
    assert overlay.on_photo(0, 0) == (0.5, 0.5)  # the centre of the first four pixels
    assert overlay.on_photo(799.5, 599.5) == ((WIDTH - 1) / 2, (HEIGHT - 1) / 2)
    right, bottom = overlay.on_photo(1599, 1199)
    assert WIDTH - 2 < right < WIDTH and HEIGHT - 2 < bottom < HEIGHT


def test_the_overlay_is_a_close_view_of_the_faces():
    overlay = Overlay(FakeSession(boxes=((400.0, 500.0, 300.0, 400.0),)))  # type: ignore[arg-type]
    assert overlay.window == (200, 300, 900, 1100)
    assert overlay.painted().shape == (1000, 875, 3)  # enlarged
    x, y = overlay.on_photo(*shown(overlay, MOLE))
    assert (round(x), round(y)) == MOLE
    assert overlay.point(*shown(overlay, MOLE)) is None and overlay.spot.kind == "moles"


def test_marks_are_painted_where_they_are_and_only_the_kinds_that_are_shown(overlay):
    column, row = (round(value) for value in shown(overlay, MOLE))
    at = (row, column)
    tint = [(128 + c) / 2 for c in rgb(COLOURS["moles"])]
    assert np.abs(overlay.painted()[at] - tint).max() < 1
    overlay.show("moles", False)
    assert (overlay.painted()[at] == 128).all()


def test_masks_are_computed_once_and_pictures_only_when_something_changed(overlay):
    assert overlay.repainted() is not None
    assert overlay.repainted() is None
    overlay.show("moles", False)
    assert overlay.repainted() is not None
    overlay.show("moles", True)
    assert overlay.repainted() is not None
    assert overlay._session.spreads == 1


def test_a_click_on_a_mark_chooses_it_and_one_on_another_face_names_that(overlay):
    assert overlay.point(*shown(overlay, MOLE)) is None
    assert overlay.spot.kind == "moles"
    plain = overlay.painted()
    assert overlay.point(*shown(overlay, (2400, 800))) == 1  # the face on the right
    assert overlay.spot is None
    assert (plain != overlay.painted()).any()  # the chosen mark had a ring
    assert (
        overlay.point(*shown(overlay, (1500, 1700))) is None and overlay.spot is None
    )  # no face, no mark


def test_marks_can_be_chosen_one_after_the_other_without_pointing(overlay):
    session, asked = overlay._session, []
    session.mole[900:940, 500:540] = True
    session.spot_at = lambda x, y: asked.append((round(x), round(y))) or asked[-1]
    for _ in range(3):
        overlay.step()
    assert asked[0] == asked[2] == overlay.spot and asked[0] != asked[1]
    assert all(session.mole[y, x] for x, y in asked)
    overlay.show("moles", False)
    overlay.step()
    assert len(asked) == 3


def test_the_face_in_focus_stands_out():
    dim, clear = (np.zeros((400, 400, 3), np.uint8) for _ in range(2))
    outline(dim, (100, 100, 200, 200), 1, focus=False)
    outline(clear, (100, 100, 200, 200), 1, focus=True)
    assert clear.sum(dtype=int) > 1.3 * dim.sum(dtype=int)
    assert (dim[150:250, 150:250] == 0).all()  # nothing is drawn over the face itself
