"""A short run of the whole training: it learns, stops and goes on, and a second round follows."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from training import baselines, losses, pairs, retouch_clip
from training import vision as training
from training.learner import Phrasebook, Teachers, VisionLearner
from training.loop import Stage
from training.options import LossWeights, VisionTraining
from training.painted import PaintedCrops, to_batch
from ui.cli import app
from vision.detector import Gate
from vision.errors import FreckleError
from vision.vocabulary import NETWORK_KINDS
from vision.weights_file import (
    RETOUCH_FOLDER,
    load_calibration,
    load_network,
    save_calibration,
    save_network,
)


@pytest.fixture
def options(tiny) -> VisionTraining:
    return VisionTraining(minutes=0, crops=((64, 4), (128, 2)), network=tiny)


@pytest.fixture
def folder(painted, tmp_path, monkeypatch):
    """A run's folder whose faces are painted already."""
    for module in (training, retouch_clip):
        monkeypatch.setattr(module, "render", lambda *args, **options: 6)
    monkeypatch.setattr(training, "look", lambda *args, **options: None)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "painted").symlink_to(painted)
    return tmp_path / "run"


def test_training_learns_stops_and_goes_on(folder, tmp_path, options, batch):
    out, totals = tmp_path / "out", []
    learner = VisionLearner(
        options, training.RetouchNetwork(options.network), Phrasebook(options.network)
    )
    for steps in (10, 120):
        training.train(tmp_path, folder, out, replace(options, steps=steps))
        stored = torch.load(folder / "checkpoint.pt", weights_only=True)
        assert stored["state"]["step"] == steps
        learner.load_state_dict(stored["learner"])
        learner.rng.manual_seed(0)
        with torch.no_grad():
            totals.append(float(learner.total(learner(batch, Stage(retouch=True)))))
    assert totals[1] < 0.95 * totals[0]
    log = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in log] == list(range(20, 121, 20))
    assert list(folder.glob("tensorboard/events*"))
    written, prompts = load_network(out)
    assert written.config == options.network
    assert prompts.shape == (len(NETWORK_KINDS), options.network.text)


def test_a_run_by_the_clock_ends_and_goes_on_where_it_was(folder, tmp_path, options):
    training.train(tmp_path, folder, tmp_path / "out", replace(options, minutes=0.05))
    first = torch.load(folder / "checkpoint.pt", weights_only=True)["state"]
    training.train(tmp_path, folder, tmp_path / "out", replace(options, minutes=0.1))
    second = torch.load(folder / "checkpoint.pt", weights_only=True)["state"]
    assert second["step"] > first["step"] > 0
    assert second["seconds"] >= 0.1 * 60


def test_a_run_goes_on_as_it_began(folder, tmp_path, options):
    training.train(tmp_path, folder, tmp_path / "out", replace(options, steps=1))
    with pytest.raises(FreckleError, match="another share"):
        training.train(tmp_path, folder, tmp_path / "out", replace(options, steps=2, share=0.5))


def test_a_run_of_steps_is_a_function_of_its_seed(folder, tmp_path, options):
    files = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        run = tmp_path / name
        run.mkdir()
        (run / "painted").symlink_to(folder / "painted")
        short = replace(options, steps=4, seed=seed)
        files.append(training.train(tmp_path, run, run / "out", short).read_bytes())
    assert files[0] == files[1] != files[2]


def test_a_second_round_starts_from_the_teacher(folder, tmp_path, options):
    options = replace(options, network=load_network(RETOUCH_FOLDER)[0].config)
    file = training.train(tmp_path, folder, tmp_path / "out", options, teacher=RETOUCH_FOLDER)
    taught, teacher = load_network(file.parent)[0], load_network(RETOUCH_FOLDER)[0]
    for name, value in teacher.state_dict().items():
        if name != "detector.bias":
            torch.testing.assert_close(taught.state_dict()[name], value, msg=name)


def test_a_network_grows_deeper_and_sees_what_its_teacher_sees(tiny, batch):
    teacher, deeper = (
        training.RetouchNetwork(replace(tiny, decoder_depths=depths)).eval()
        for depths in ((1, 1, 1), (3, 2, 2))
    )
    training.grow(deeper, teacher)
    prompts = Phrasebook(tiny).prompts
    with torch.no_grad():
        seen, before = (
            network.detect(batch.photo, batch.skin, batch.place, prompts).logits
            for network in (deeper, teacher)
        )
    assert 0 < (seen - before).abs().mean() < 0.1 * before.std()


def test_weights_can_be_an_average_with_the_teachers(folder, tmp_path, options, monkeypatch):
    monkeypatch.setattr(training, "look", _sees_nothing)
    with pytest.raises(FreckleError, match="--mix needs"):
        training.train(tmp_path, folder, tmp_path / "out", replace(options, mix=0.5))
    training.train(tmp_path, folder, tmp_path / "teacher", replace(options, steps=1))
    run, states = tmp_path / "second", []
    run.mkdir()
    (run / "painted").symlink_to(folder / "painted")
    for mix in (0.0, 0.5, 1.0):
        file = training.train(
            tmp_path, run, tmp_path / "out", replace(options, steps=30, mix=mix),
            tmp_path / "teacher",
        )  # fmt: skip
        states.append(load_network(file.parent)[0].state_dict()["detector.none"])
    learnt = (states[2] - states[0]).abs().max()
    assert learnt > 1e-5  # the running average has hardly left where it began
    torch.testing.assert_close(
        states[1], (states[0] + states[2]) / 2, atol=float(learnt) / 50, rtol=0
    )
    file = training.train(
        tmp_path, run, tmp_path / "out", replace(options, steps=30, last=True), tmp_path / "teacher"
    )
    last = load_network(file.parent)[0].state_dict()["detector.none"]
    assert (last - states[0]).abs().max() > 2 * learnt


def _sees_nothing(data, found, teacher, **options):
    found.mkdir(exist_ok=True)
    np.save(found / "00000.npy", np.zeros((512, 512), bool))


def test_a_finished_run_that_is_called_again_keeps_its_calibration(folder, tmp_path, options):
    file = training.train(tmp_path, folder, tmp_path / "out", replace(options, steps=2))
    save_calibration(Gate((0.5,) * 14, (1,) * 14), 0.4, file.parent)
    training.train(tmp_path, folder, tmp_path / "out", replace(options, steps=2))
    assert load_calibration(file.parent)[0].openness == (0.5,) * 14
    training.train(tmp_path, folder, tmp_path / "out", replace(options, steps=4))
    assert load_calibration(file.parent)[0] == Gate()


def test_a_later_teacher_changes_nothing_about_what_a_run_began_with(
    folder, tmp_path, options, monkeypatch
):
    monkeypatch.setattr(training, "look", _sees_nothing)
    for name in ("one", "two"):
        torch.manual_seed(len(name) + ord(name[0]))
        network = training.RetouchNetwork(options.network)
        save_network(network, torch.zeros(14, options.network.text), tmp_path / name)
    nothing = replace(options, steps=1, mix=0.0)
    files = [
        training.train(tmp_path, folder, tmp_path / "out", nothing, tmp_path / name)
        for name in ("one", "two")
    ]
    written = load_network(files[1].parent)[0].state_dict()
    began = load_network(tmp_path / "one")[0].state_dict()
    for name in ("detector.mapping", "retoucher.enter.weight"):
        torch.testing.assert_close(written[name], began[name])


def test_a_teacher_of_fewer_kinds_is_grown(tiny):
    torch.manual_seed(0)
    fewer = replace(tiny, kinds=NETWORK_KINDS[:8], refiner=False)
    small, large = training.RetouchNetwork(fewer), training.RetouchNetwork(tiny)
    torch.nn.init.normal_(small.retoucher.to_change[0].weight, std=0.1)
    training.grow(large, small)
    crop, skin, place = (
        torch.rand(1, 3, 64, 64),
        torch.ones(1, 1, 64, 64),
        torch.zeros(1, 2, 64, 64),
    )
    prompts = torch.randn(len(NETWORK_KINDS), tiny.text)
    one = small.detect(crop, skin, place, prompts[:8])
    other = large.detect(crop, skin, place, prompts)
    torch.testing.assert_close(other.logits[:, :8], one.logits[:, :8])
    asked = torch.zeros_like(other.owners)
    asked[:, :8] = one.owners
    torch.testing.assert_close(
        large.change(other, asked, prompts).refined,
        small.change(one, one.owners, prompts[:8]).refined,
    )
    with pytest.raises(FreckleError, match="other kinds or sizes"):
        training.grow(small, training.RetouchNetwork(replace(tiny, widths=(8, 8, 8, 8))))
    with pytest.raises(FreckleError, match="other kinds or sizes"):  # its blocks would be lost
        training.grow(large, training.RetouchNetwork(replace(tiny, depths=(9, 1, 1, 1))))


def test_pairs_teach_that_something_was_there(folder, tmp_path, options, astronaut_pair):
    options = replace(options, steps=6, paired=0.5)
    training.train(tmp_path, folder, tmp_path / "out", options, pairs=astronaut_pair)
    batch = next(iter(pairs.PairCrops(folder / "pairs", 64, 4, seed=0)))
    assert not batch.kinds_known
    assert batch.owners.sum(dim=1).amax() > 0.5
    torch.testing.assert_close(batch.owners.sum(dim=1).amin(), torch.tensor(0.0))
    strengths = losses.asked_strengths(batch, torch.Generator().manual_seed(0))
    assert (strengths == strengths[:, :1]).all() and (strengths > 0).all()  # all there is
    torch.testing.assert_close(
        batch.without(strengths), strengths[:, :1, None, None] * batch.change
    )


@pytest.fixture
def astronaut_pair(base, tmp_path):
    """The face with a brown spot drawn on its cheek, and without."""
    at = np.argwhere(base.regions.mask("cheeks") > 0.9)[500]
    before = base.crop.copy()
    before[at[0] - 6 : at[0] + 6, at[1] - 6 : at[1] + 6] //= 2
    for name, image in (("before", before), ("after", base.crop)):
        (tmp_path / "pairs" / name).mkdir(parents=True)
        Image.fromarray(image).save(tmp_path / "pairs" / name / "1.png")
    return tmp_path / "pairs"


def test_pairs_that_are_none_are_left_out(tmp_path, astronaut_pair):
    with pytest.raises(FreckleError, match="holds no pairs"):
        pairs.align_pairs(tmp_path, tmp_path / "aligned")
    for name, sizes in (("0", (9, 8)), ("2", (9, 9))):  # of two sizes, and without a face
        for folder, size in zip(("before", "after"), sizes, strict=True):
            Image.new("RGB", (size, size)).save(astronaut_pair / folder / f"{name}.png")
    said = pairs.align_pairs(astronaut_pair, tmp_path / "aligned")
    assert said.startswith("1 pairs, 2 left out, the first because ") and "differ in size" in said
    assert [file.name for file in (tmp_path / "aligned").iterdir()] == ["1.png.npz"]
    (astronaut_pair / "before" / "1.png").unlink()
    with pytest.raises(FreckleError, match="none of the 2 pairs can be used: .* differ in size"):
        pairs.align_pairs(astronaut_pair, tmp_path / "aligned")


def test_pairs_have_no_say_about_words(batch, tiny):
    """The local loss asks whether a named kind is gone; of a pair nobody named any."""
    options = VisionTraining(network=tiny, losses=LossWeights(local=1.0))
    tower = retouch_clip.ImageTower()
    network = training.RetouchNetwork(tiny)
    learner = VisionLearner(options, network, Phrasebook(tiny), Teachers(image_tower=tower))
    with torch.no_grad():
        for known in (True, False):
            terms = learner(replace(batch, kinds_known=known), Stage(retouch=True))
            assert ("local" in terms) == known


@pytest.mark.parametrize("name", baselines.BASELINES)
def test_baselines_learn_what_they_are_told(name, painted, tiny):
    crops = next(iter(PaintedCrops(painted, 64, seed=3, batch=8)))  # with much to take away
    batch = to_batch(crops, torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    learner = baselines.BaselineLearner(baselines.BASELINES[name](tiny))
    optimiser = torch.optim.Adam(learner.parameters(), 1e-3)
    totals = []
    for _ in range(60):
        learner.rng.manual_seed(0)
        totals.append(learner.total(learner(batch, Stage(retouch=True))))
        optimiser.zero_grad()
        totals[-1].backward()
        optimiser.step()
    assert totals[-1] < 0.8 * totals[0]


def test_retouch_clip_learns_to_tell_kinds(batch):
    torch.manual_seed(0)
    learner, told = retouch_clip.new_learner(), []
    optimiser = torch.optim.AdamW(learner.parameters(), 1e-3)
    for _ in range(25):
        learner.rng.manual_seed(0)
        loss = learner.total(learner(batch, Stage(retouch=False)))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        told.append(loss.item())
    assert told[-1] < 0.8 * told[0]


def test_retouch_clip_is_stored(folder, tmp_path):
    out = retouch_clip.train_clip(tmp_path, folder, minutes=0, steps=2)
    tower = retouch_clip.load_image_tower(out)
    seen = tower(torch.rand(2, 3, 64, 64), torch.ones(2, 1, 64, 64))
    torch.testing.assert_close(seen.norm(dim=1), torch.ones(2))
    with pytest.raises(FreckleError, match="no image tower"):
        retouch_clip.load_image_tower(tmp_path)


def test_a_run_leaves_the_weights_that_ship_alone(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(training, "train", lambda data, folder, out, *rest: calls.append(out))
    call = ["train", "vision", "--data", str(tmp_path), "--run", str(tmp_path / "run")]
    assert CliRunner().invoke(app, call).exit_code == 0
    assert calls == [tmp_path / "run" / "weights"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--weight", "beauty=1"], "no loss beauty"),
        (["--weight", "comp=much"], "give a number, as in comp=0.5"),
        (["--weight", "comp"], "give a number"),
        (["--without", "magic"], "no mechanism magic"),
        (["--without", "widths"], "no mechanism widths"),
        (["--own", "moles"], "not parted from moles"),
    ],
)
def test_a_wrong_option_is_named(tmp_path, arguments, said):
    result = CliRunner().invoke(app, ["train", "vision", "--data", str(tmp_path), *arguments])
    assert isinstance(result.exception, FreckleError)  # one line and exit 2, by `ui.cli.main`
    assert said in str(result.exception)
