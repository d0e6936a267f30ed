"""Truth of painted batches, the losses, and a short run that learns, stops and goes on."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from training import losses
from training import vision as run
from training.evaluate.filters import FILTERS, inpaint
from training.evaluate.vision import average_precision, compare_face, measure_face, paint
from training.imperfections import mixture, render
from training.imperfections.base import Base
from training.imperfections.render import own_marks
from training.painted import PaintedCrops, to_batch
from vision.detector import NetworkConfig
from vision.engine import engine
from vision.vocabulary import FINE_KINDS, LEARNT_KINDS
from vision.weights_file import RETOUCH_FOLDER, load_network

CROPS = ((64, 4), (128, 2))
TINY = NetworkConfig(widths=(8, 16, 16, 16), features=8, blocks=2, heads=2)


@pytest.fixture(scope="session")
def painted(base: Base, tmp_path_factory):
    """A folder of samples as `render` writes them, of one face."""
    folder = tmp_path_factory.mktemp("run") / "painted"
    folder.mkdir()
    for seed in range(6):
        layers = mixture(base, np.random.default_rng(seed))
        np.savez(
            folder / f"{seed}.npz",
            crop=base.crop,
            skin=np.round(base.skin * 255).astype(np.uint8),
            own=own_marks(base),
            kinds=np.array([LEARNT_KINDS.index(layer.kind) for layer in layers], np.int64),
            density=np.array(
                [np.round(layer.density * 100).astype(np.int8) for layer in layers], np.int8
            ).reshape(-1, 512, 512, 3),
        )
    return folder


def test_the_truth_of_a_batch_adds_up(painted):
    batch = to_batch(next(iter(PaintedCrops(painted, 128, seed=1, batch=8))))
    assert batch.photo.shape == (8, 3, 128, 128)
    assert batch.owners.shape == (8, len(LEARNT_KINDS), 128, 128)
    assert (batch.owners.sum(dim=1) <= 1 + 1e-5).all()
    bare = batch.change.abs().sum(dim=1) == 0
    assert batch.owners.sum(dim=1)[bare].max() < 1e-3
    shares = batch.shares.sum(dim=1)[batch.change.abs().mean(dim=1) > 0.02]
    torch.testing.assert_close(shares, torch.ones_like(shares), atol=0.02, rtol=0)


def test_crops_are_a_function_of_the_seed(painted):
    first, again, other = (next(iter(PaintedCrops(painted, 64, seed=s))) for s in (5, 5, 6))
    assert torch.equal(first["crop"], again["crop"])
    assert not torch.equal(first["crop"], other["crop"])


def test_every_loss_weight_changes_the_gradient(painted):
    batch = to_batch(next(iter(PaintedCrops(painted, 64, seed=2, batch=2))))
    torch.manual_seed(0)
    network, book = run.RetouchNetwork(TINY), run.Phrasebook()
    torch.nn.init.normal_(network.retoucher.to_change[0].weight, std=0.01)
    terms = run.step_losses(network, batch, book, torch.Generator().manual_seed(0))
    weights = {name for name in vars(run.VisionTraining()) if name in terms}
    assert weights == set(terms)
    for name, term in terms.items():
        grads = torch.autograd.grad(term, list(network.parameters()), retain_graph=True,
                                    allow_unused=True)  # fmt: skip
        assert any(g is not None and g.abs().sum() > 0 for g in grads), name


def test_losses_are_least_at_the_truth():
    owners = torch.zeros(1, 2, 8, 8)
    owners[:, 0, :4] = 0.9
    weight = torch.ones(1, 1, 8, 8)
    right = torch.cat([owners, 1 - owners.sum(1, keepdim=True)], 1).clamp(min=1e-4).log()
    assert losses.detection_loss(right, owners, weight) < losses.detection_loss(
        -right, owners, weight
    )
    assert (
        losses.dice_loss(owners, owners, weight)
        < 1e-3
        < losses.dice_loss(0 * owners, owners, weight)
    )
    change = torch.rand(1, 3, 8, 8)
    assert (
        losses.change_loss(change, change, weight)
        == 0
        < losses.change_loss(0 * change, change, weight)
    )


def test_training_learns_stops_and_goes_on(painted, tmp_path, monkeypatch):
    monkeypatch.setattr(run, "render", lambda *args, **options: 6)
    options = run.VisionTraining(minutes=0.2, crops=CROPS, network=TINY)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "painted").symlink_to(painted)
    run.train(tmp_path, tmp_path / "run", tmp_path / "out", options)
    first = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["state"]
    longer = run.VisionTraining(minutes=0.4, crops=CROPS, network=TINY)
    file = run.train(tmp_path, tmp_path / "run", tmp_path / "out", longer)
    second = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["state"]
    assert second["step"] > first["step"] > 0
    assert second["seconds"] >= 0.4 * 60
    lines = (tmp_path / "run" / "log.jsonl").read_text().splitlines()
    learnt = [log["detection"] for log in map(json.loads, lines) if "detection" in log]
    assert learnt[-1] < learnt[0]
    network, prompts = load_network(file.parent)
    assert network.config == TINY
    assert prompts.shape == (len(LEARNT_KINDS), TINY.text)


def test_marks_that_a_teacher_finds_on_the_bases_are_not_taught_as_nothing(
    base, painted, tmp_path, monkeypatch
):
    monkeypatch.setattr(render, "_bases", lambda data, split: ["the one face"])
    monkeypatch.setattr(render, "base_of", lambda row: base)
    found = tmp_path / "found"
    render.look(tmp_path, found, RETOUCH_FOLDER)
    marks = np.load(found / "00000.npy")
    assert 0 < marks[base.skin > 0.5].mean() < 0.2
    (tmp_path / "painted").mkdir()
    (tmp_path / "painted" / "00-00000.npz").symlink_to(painted / "2.npz")
    crops = PaintedCrops(tmp_path / "painted", 512, seed=1, batch=1, crops=1, found=found)
    batch = to_batch(next(iter(crops)))
    flipped = bool(batch.place[0, 0, 0, 0] > 0)
    where = torch.from_numpy(marks[:, ::-1].copy() if flipped else marks)
    fine = batch.owners[0, [LEARNT_KINDS.index(kind) for kind in FINE_KINDS]].sum(dim=0)
    bare = where & (fine < 0.01)  # fine paint on top hides what is below, broad paint does not
    assert bare.any()
    assert batch.known[0, 0][bare].max() == 0


def test_a_second_round_starts_from_the_teacher(painted, tmp_path, monkeypatch):
    monkeypatch.setattr(run, "render", lambda *args, **options: 6)
    monkeypatch.setattr(run, "look", lambda *args: None)
    (tmp_path / "painted").symlink_to(painted)
    options = run.VisionTraining(minutes=0, crops=CROPS)
    file = run.train(tmp_path, tmp_path, tmp_path / "out", options, teacher=RETOUCH_FOLDER)
    taught, teacher = load_network(file.parent)[0], load_network(RETOUCH_FOLDER)[0]
    for name, value in teacher.state_dict().items():
        torch.testing.assert_close(taught.state_dict()[name], value, msg=name)


def test_average_precision_of_a_perfect_and_of_a_blind_detector():
    truth = np.array([True, False, True, False])
    assert average_precision(np.array([0.9, 0.1, 0.8, 0.2]), truth) == 1.0
    assert average_precision(np.array([0.1, 0.9, 0.2, 0.8]), truth) < 0.5


def test_the_shipped_network_improves_painted_marks(base):
    truth = paint(base, mixture(base, np.random.default_rng(8)))
    numbers = measure_face(truth, base, engine())
    assert numbers
    assert np.mean([n["after"] - n["before"] for n in numbers.values()]) > 0.5


@pytest.mark.parametrize("name", FILTERS)
def test_filters_smooth_the_skin_and_nothing_else(base, name):
    photo = (base.crop / 255).astype(np.float32)
    made = FILTERS[name](photo, base.skin)
    assert np.array_equal(made[base.skin == 0], photo[base.skin == 0])
    skin = base.skin > 0.99
    assert 0 < np.abs(made - photo)[skin].mean() < 0.05


def test_filling_replaces_the_marks_alone():
    photo = np.full((64, 64, 3), 0.6, np.float32)
    marks = np.zeros((64, 64), bool)
    marks[20:30, 20:30] = True
    photo[marks] = 0.1
    np.testing.assert_allclose(inpaint(photo, marks), 0.6, atol=0.01)


def test_the_shipped_network_does_better_than_filters_and_than_nothing(base):
    numbers = compare_face(paint(base, mixture(base, np.random.default_rng(8))), base, engine())
    ours = numbers.pop("Freckle")
    assert set(numbers) == {"nothing", *FILTERS, "filling the true mask"}
    assert all(ours["inside"] > other["inside"] for other in numbers.values())
    assert ours["all"] > numbers["nothing"]["all"]
