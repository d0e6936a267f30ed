"""Previews: small, in the right colours, written once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from skimage import data

from ui.web import views
from ui.web.views import KEPT, PREVIEW_SIDE, Look, reduced
from vision.photo import load

ASTRONAUT = data.astronaut()


@pytest.mark.parametrize("shape", [(3000, 4000, 3), (4000, 300, 3), (2000, 2000, 1)])
def test_large_photos_fit_the_screen_in_their_own_shape(shape):
    small = reduced(load(np.full(shape, 77, np.uint8)))
    assert max(small.shape[:2]) == PREVIEW_SIDE and small.shape[2] == 3
    assert small.shape[1] / small.shape[0] == pytest.approx(shape[1] / shape[0], rel=0.01)
    assert (small == 77).all()


def test_small_photos_stay_as_they_are():
    assert (reduced(load(ASTRONAUT)) == ASTRONAUT).all()


def test_sixteen_bits_become_eight():
    deep = ASTRONAUT.astype(np.uint16) * 257
    assert (reduced(load(deep)) == ASTRONAUT).all()


def test_what_is_transparent_lies_on_white():
    pixels = np.zeros((2000, 2000, 4), np.uint8)
    pixels[:1000, :, 3] = 255
    small = reduced(load(pixels))
    assert (small[:700] == 0).all() and (small[900:] == 255).all()


def test_the_photo_is_written_once_and_every_result_under_a_new_name(tmp_path: Path):
    photo = load(ASTRONAUT)
    session = SimpleNamespace(photo=photo, result=load(255 - ASTRONAUT))
    visit = SimpleNamespace(session=session, folder=tmp_path, views=0, look=Look())
    before, after = views.before(visit), views.after(visit)
    assert views.before(visit) == before
    assert len({before, after, views.after(visit)}) == 3
    with Image.open(before) as one, Image.open(after) as other:
        assert one.format == other.format == "JPEG"
        apart = np.abs(np.asarray(one).astype(int) + np.asarray(other) - 255)
    assert apart.mean() < 4


def test_previews_do_not_pile_up_and_what_is_shown_stays(tmp_path: Path):
    photo = load(ASTRONAUT[:64, :64])
    session = SimpleNamespace(photo=photo, result=photo)
    visit = SimpleNamespace(session=session, folder=tmp_path, views=0, look=Look())
    before, overlay = views.before(visit), views.preview(visit, ASTRONAUT[:64], "overlay")
    with ThreadPoolExecutor(4) as together:
        made = list(together.map(lambda _: views.after(visit), range(40)))
    assert len(set(made)) == 40
    left = {str(path) for path in tmp_path.iterdir()}
    assert {before, overlay, max(made)} <= left and len(left) == 2 + KEPT


def test_what_was_edited_is_painted_red(tmp_path: Path):
    photo = load(np.full((400, 400, 3), 100, np.uint8))
    mask = np.zeros((400, 400), bool)
    mask[100:300, 100:300] = True
    session = SimpleNamespace(photo=photo, mask=lambda: mask)
    visit = SimpleNamespace(session=session, folder=tmp_path, views=0, look=Look())
    with Image.open(views.marked(visit)) as image:
        seen = np.asarray(image).astype(int)
    assert np.abs(seen[200, 200] - (198, 62, 62)).max() < 6
    assert np.abs(seen[50, 50] - 100).max() < 6


def test_marks_of_a_kind_are_painted_where_they_are(tmp_path: Path):
    photo = load(np.full((400, 400, 3), 100, np.uint8))
    where = {"freckles": np.s_[:100], "moles": np.s_[300:]}

    def spread(kind):
        mask = np.zeros((400, 400), bool)
        mask[where[kind]] = True
        return mask

    session = SimpleNamespace(photo=photo, spread=spread)
    visit = SimpleNamespace(session=session, folder=tmp_path, views=0, look=Look())
    with Image.open(views.marked(visit, ("freckles", "moles"))) as image:
        red = np.asarray(image)[:, 200, 0] > 150
    assert red[:95].all() and red[305:].all() and not red[105:295].any()
