"""A comparison: every variant trains alike, is kept, measured once, and goes into one table."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from training import compare
from training.evaluate.removal import paint
from training.imperfections import painters
from training.options import LossWeights, VisionTraining
from ui.cli import app
from vision.errors import FreckleError
from vision.retoucher import RetouchNetwork
from vision.vocabulary import NETWORK_KINDS
from vision.weights_file import load_network, save_network

OURS = compare.OURS


@pytest.fixture
def options(tiny) -> VisionTraining:
    return VisionTraining(steps=2, crops=((64, 4), (128, 2)), network=tiny, last=True)


@pytest.fixture
def folder(painted, tmp_path, monkeypatch, options):
    """A run's folder whose faces are painted already; three variants, on two faces a step."""
    monkeypatch.setattr(compare, "render", lambda *args, **settings: 6)
    monkeypatch.setattr(compare, "variants", lambda minutes, started=False: [
        compare.Variant(OURS, options),
        compare.Variant("Swin-style", options, "Swin-style"),
        compare.Variant("with local loss", replace(options, losses=LossWeights(local=0.1))),
    ])  # fmt: skip
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "painted").symlink_to(painted)
    return tmp_path / "run"


@pytest.fixture
def call(folder, tmp_path):
    def compared(*arguments: str):
        told = ["train", "compare", "--data", str(tmp_path), "--run", str(folder), *arguments]
        return CliRunner().invoke(app, told)

    return compared


@pytest.mark.parametrize("started", [False, True])
def test_every_variant_can_be_built(tiny, started):
    every = list(compare.variants(1, started))
    assert len({variant.folder for variant in every}) == len(every) >= 12
    shape, rest = (1, 3, 64, 64), torch.zeros(1, 2, 64, 64)
    for variant in every:
        if variant.baseline:
            continue
        config = replace(variant.options.network, widths=tiny.widths, features=8, blocks=2, heads=2)
        network = RetouchNetwork(config)
        prompts = torch.randn(len(NETWORK_KINDS), config.text)
        found = network.detect(torch.rand(shape), torch.ones(1, 1, 64, 64), rest, prompts)
        assert network.change(found, found.owners, prompts).refined.shape == shape


def test_what_began_from_weights_leaves_out_what_they_cannot_do_without():
    fresh, started = (
        {variant.name for variant in compare.variants(1, told)} for told in (False, True)
    )
    assert {"Swin-style", "without text prior", "1% of the faces"} <= fresh - started
    assert {OURS, "without refiner", "with keep loss"} <= fresh & started


def test_a_comparison_trains_measures_and_goes_on(folder, call, base, monkeypatch):
    truth = paint(base, [painters["moles"](base, np.random.default_rng(0), 1.0)])
    monkeypatch.setattr(compare, "held_out", lambda data, faces: [(base, truth)] * faces)
    first = call("--only", "Swin-style", "--faces", "2")
    assert first.exit_code == 0, first.output
    assert "| Swin-style |" in first.output and f"| {OURS} |" not in first.output
    kept = {file: file.stat().st_mtime_ns for file in folder.glob("Swin-style/*")}
    second = call("--faces", "2")
    rows = [line for line in second.output.splitlines() if line.startswith(("| our", "| Swin"))]
    assert len(rows) == 2 and rows[1] in first.output
    assert rows[0].split("|")[-2].strip() != "–" == rows[1].split("|")[-2].strip()
    assert kept == {file: file.stat().st_mtime_ns for file in folder.glob("Swin-style/*")}
    numbers = json.loads((folder / "our-network" / "numbers-2.json").read_text())
    assert len(numbers["alone"]) == 2 and 0 <= numbers["alone"][0]["moles"]["precision"] <= 1
    done = compare.finished(folder)
    assert set(done) == {OURS, "Swin-style"}
    assert done[OURS](truth, base, ("moles",)).shape == truth.painted.shape


def test_a_variant_may_begin_from_weights_that_have_more(folder, tmp_path, options):
    """Sight of colour is gone, all that does not hang on it is as it was."""
    whole = RetouchNetwork(options.network)
    prompts = torch.zeros(len(NETWORK_KINDS), options.network.text)
    save_network(whole, prompts, tmp_path / "whole")
    less = replace(options, network=replace(options.network, colour=False, refiner=False), rate=0.0)
    variant = compare.Variant("less", less)
    out = compare.train_variant(variant, folder / "painted", folder, None, tmp_path / "whole")
    trained = load_network(out)[0].state_dict()
    before = load_network(tmp_path / "whole")[0].state_dict()
    stem = "detector.stem.1.weight"
    seen = trained[stem].shape[1]
    assert seen < before[stem].shape[1] and not any("refiner" in name for name in trained)
    before[stem] = before[stem][:, :seen]
    for name, value in trained.items():
        torch.testing.assert_close(value, before[name], msg=name)
    with pytest.raises(FreckleError, match="other options"):
        compare.train_variant(variant, folder / "painted", folder, None, None)


def test_what_cannot_be_compared_is_named(folder, call, tmp_path):
    for arguments, words in (
        (("--only", "theirs"), "no variant theirs"),
        (("--only", "with local loss"), "give --clip-tower"),
    ):
        with pytest.raises(FreckleError, match=words):
            raise call(*arguments).exception
    with pytest.raises(FreckleError, match="no finished variant"):
        compare.finished(tmp_path)
