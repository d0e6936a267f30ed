"""The truth of painted batches."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from training.imperfections import painters, render
from training.painted import TEXTURES, PaintedCrops, to_batch, with_foreign
from vision.vocabulary import FINE_KINDS, NETWORK_KINDS
from vision.weights_file import RETOUCH_FOLDER


def test_the_truth_of_a_batch_adds_up(painted):
    batch = to_batch(next(iter(PaintedCrops(painted, 128, seed=1, batch=8))))
    assert batch.photo.shape == (8, 3, 128, 128)
    assert batch.owners.shape == (8, len(NETWORK_KINDS), 128, 128)
    assert (batch.owners.sum(dim=1) <= 1 + 1e-5).all()
    bare = batch.change.abs().sum(dim=1) == 0
    dots = [at for at, kind in enumerate(NETWORK_KINDS) if kind not in TEXTURES]
    assert batch.owners[:, dots].sum(dim=1)[bare].max() < 1e-3
    torch.testing.assert_close(batch.effects.sum(dim=1), batch.change, atol=1e-5, rtol=0)
    some = torch.rand(8, len(NETWORK_KINDS))
    one_by_one = (batch.effects * some[:, :, None, None, None]).sum(dim=1)
    torch.testing.assert_close(batch.without(some), one_by_one, atol=1e-5, rtol=0)


def test_what_one_kind_changes_is_the_photo_without_it(painted):
    """Also where another lies on it that is brighter than the skin, and both cancel."""
    parts = next(iter(PaintedCrops(painted, 128, seed=1, batch=4)))
    at, sheen = NETWORK_KINDS.index("redness"), NETWORK_KINDS.index("shine")
    flush = torch.zeros_like(parts["density"])
    flush[:, at, :, 20:90, 20:90] = torch.tensor([3, 24, 19], dtype=flush.dtype)[:, None, None]
    flush[:, sheen, :, 50:100, 50:100] = -20
    parts |= {"density": flush, "noise": torch.zeros_like(parts["noise"])}
    parts |= {"tint": torch.ones_like(parts["tint"])}
    bare = flush.clone()
    bare[:, at] = 0
    both, without = to_batch(parts), to_batch(parts | {"density": bare})
    asked = torch.eye(len(NETWORK_KINDS))[at].expand(4, -1)
    wanted = without.photo - both.photo
    left = (both.without(asked) - wanted).abs().mean() / wanted.abs().mean()
    assert left < 0.15
    crossing = np.s_[:, at, 55:85, 55:85]
    assert both.owners[crossing].mean() > 0.3  # though hardly anything is to be seen there


def test_a_camera_shows_blood_in_red_too(base, tmp_path, monkeypatch):
    """As spots on real photos of acne do, where it takes no more of it than of green."""

    def flushed(base, *_):
        return [painters["redness"](base, np.random.default_rng(0), 1.0)]

    monkeypatch.setattr(render, "mixture", flushed)
    render.write_sample(tmp_path / "00-00000.npz", base, 0)
    parts = next(iter(PaintedCrops(tmp_path, 128, seed=1, batch=1)))
    taken = []
    for camera in ((0.0, 1.0), (0.4, 1.3)):
        change = to_batch(parts | {"camera": torch.tensor([camera])}).change.mean(dim=(0, 2, 3))
        taken.append(change / change[1])
    (red, _, blue), (more_red, _, more_blue) = taken
    assert 0 < red < 0.6 * more_red < more_red < 1
    assert more_blue > 1.1 * blue


def test_crops_are_a_function_of_the_seed(painted):
    first, again, other = (next(iter(PaintedCrops(painted, 64, seed=s))) for s in (5, 5, 6))
    assert torch.equal(first["crop"], again["crop"])
    assert not torch.equal(first["crop"], other["crop"])


def test_a_share_of_the_faces_is_always_the_same_ones(tmp_path, painted):
    for face in range(40):
        (tmp_path / f"00-{face:05d}.npz").symlink_to(painted / "00-00000.npz")
        (tmp_path / f"01-{face:05d}.npz").symlink_to(painted / "01-00000.npz")
    few, more = (set(PaintedCrops(tmp_path, 64, 0, share=s).files) for s in (0.2, 0.6))
    assert few < more < set(tmp_path.glob("*.npz"))
    assert {f"01-{file.stem[3:]}.npz" for file in few} == {
        file.name for file in few if file.name.startswith("01")
    }


def test_texture_is_owned_by_the_area_and_changed_dot_by_dot(base, tmp_path, monkeypatch):
    def porous(base, *_):
        return [painters["pores"](base, np.random.default_rng(0), 1.0)]

    monkeypatch.setattr(render, "mixture", porous)
    render.write_sample(tmp_path / "00-00000.npz", base, 0)
    batch = to_batch(next(iter(PaintedCrops(tmp_path, 512, seed=0, batch=1, crops=1))))
    pores = batch.owners[:, NETWORK_KINDS.index("pores")]
    size = batch.change.abs().mean(dim=1)
    between = (size < 0.5 / 255) & (pores > 0.2)
    assert between.sum() > 1000
    assert pores[size == 0].mean() < 0.1


def test_marks_of_one_face_come_on_another_where_it_has_skin(base, painted, tmp_path):
    bare = render.sample(base, np.random.default_rng(0)) | {
        "kinds": np.zeros(0, np.int64),
        "density": np.zeros((0, 512, 512, 3), np.int8),
    }
    np.savez(tmp_path / "00-00001.npz", **bare)
    (tmp_path / "00-00000.npz").symlink_to(painted / "02-00000.npz")
    painted_share = []
    for swapped in (0.0, 1.0):
        source = PaintedCrops(tmp_path, 512, seed=3, batch=24, crops=1, swapped=swapped)
        parts = next(iter(source))
        density = parts["density"].abs().amax(dim=(1, 2))
        painted_share.append(float((density.flatten(1).amax(dim=1) > 0).float().mean()))
    assert painted_share[0] < 0.8  # the bare face shows nothing of its own
    assert painted_share[1] != painted_share[0]
    teeth = NETWORK_KINDS.index("yellow_teeth")
    assert not density[(parts["skin"] == 0)[:, 0]].any()
    assert not parts["density"][:, teeth].any()


def test_foreign_patches_are_to_be_filled_with_the_skin_below(batch):
    rng = torch.Generator().manual_seed(1)
    laid = with_foreign(batch, 1.0, rng)
    marked = laid.marked.bool()
    assert 0.01 < marked.float().mean() < 0.6
    assert (batch.skin[marked] > 0.5).all()
    clean = batch.photo + batch.change
    torch.testing.assert_close(laid.photo + laid.change, clean, atol=1e-5, rtol=0)
    beside = ~marked.expand_as(batch.photo)
    assert torch.equal(laid.photo[beside], batch.photo[beside])
    assert laid.owners.sum(dim=1, keepdim=True)[marked].max() == 0
    assert torch.equal(with_foreign(batch, 0.0, rng).photo, batch.photo)


def test_marks_that_a_teacher_finds_on_the_bases_are_not_taught_as_nothing(
    base, painted, tmp_path, monkeypatch
):
    row = SimpleNamespace(path=tmp_path / "faces" / "the one face.jpg")
    monkeypatch.setattr(render, "_bases", lambda data, split: [row])
    monkeypatch.setattr(render, "base_of", lambda row: base)
    found = tmp_path / "found"
    render.look(tmp_path, found, RETOUCH_FOLDER)
    marks = np.load(found / "00000.npy")
    assert 0 < marks[base.skin > 0.5].mean() < 0.5
    (tmp_path / "painted").mkdir()
    (tmp_path / "painted" / "00-00000.npz").symlink_to(painted / "02-00000.npz")
    crops = PaintedCrops(tmp_path / "painted", 512, seed=1, batch=1, crops=1, found=found)
    batch = to_batch(next(iter(crops)))
    flipped = bool(batch.place[0, 0, 0, 0] > -1)  # a grid that starts at -1 and ends below 1
    where = torch.from_numpy(marks[:, ::-1].copy() if flipped else marks)
    fine = batch.owners[0, [NETWORK_KINDS.index(kind) for kind in FINE_KINDS]].sum(dim=0)
    bare = where & (fine < 0.01)  # fine paint on top hides what is below, broad paint does not
    assert bare.any()
    assert batch.known[0, 0][bare].max() == 0


def test_a_beard_is_dense_dark_texture(base):
    """Drawn on the chin of a beardless face: it is called a beard there."""
    rng = np.random.default_rng(0)
    crop, chin = base.crop.copy(), base.regions.mask("chin") > 0.5
    hairs = chin & (rng.random(chin.shape) < 0.4)
    crop[hairs] = crop[hairs] // 3
    bearded = type(base)(crop, base.regions, base.blur)
    assert render.beard(base).mean() < 0.002
    assert render.beard(bearded)[chin].mean() > 0.6


def test_a_folder_without_samples_says_how_to_paint_them(tmp_path):
    with pytest.raises(Exception, match="freckle train vision"):
        PaintedCrops(tmp_path, 64, 0)
