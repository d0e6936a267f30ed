"""The picture of a run says what its log says."""

from __future__ import annotations

import json
import xml.etree.ElementTree as xml

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from training import curve
from ui.cli import app
from vision.errors import FreckleError

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def run(tmp_path):
    """A folder with a log whose detection loss falls in a line, and whose change comes later."""
    lines = [
        {"step": 20 * i, "s": i, "detection": 2 - i / 50, **({"change": 0.1} if i > 50 else {})}
        for i in range(1, 101)
    ]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return tmp_path


def test_every_loss_is_a_line_from_its_first_step_to_the_last(run):
    log = curve.read_log(run / "log.jsonl")
    assert list(log) == ["change", "detection"]
    picture = xml.fromstring(curve.draw(log, "a <run>"))
    words = [text.text for text in picture.iter(f"{SVG}text")]
    assert words[0] == "a <run>" and {"change", "detection", "step 2000"} <= set(words)
    late, whole = (
        np.array([pair.split(",") for pair in line.get("points").split()], float)
        for line in list(picture.iter(f"{SVG}polyline"))[::2]
    )
    assert late[0, 0] == pytest.approx(curve._PLOT[0] * 51 / 100, abs=0.1)
    assert whole[-1, 0] == late[-1, 0] == curve._PLOT[0]
    assert (np.diff(whole[3:, 1]) > 0).all()  # a loss that falls goes down the picture
    assert whole[-1, 1] == curve._PLOT[1]


def test_the_bold_line_is_a_mean():
    values = np.tile([0.0, 2.0], 200)
    assert np.abs(curve.smoothed(values) - 1).max() < 0.15
    assert np.array_equal(curve.smoothed(np.array([3.0, 5.0])), [3, 5])


def test_it_is_written_as_svg_or_png(run):
    for name in ("curve.svg", "curve.png"):
        call = ["train", "curve", str(run), "-o", str(run / name)]
        assert CliRunner().invoke(app, call).exit_code == 0
    assert (run / "curve.svg").read_text().startswith("<svg")
    with Image.open(run / "curve.png") as picture:
        assert picture.size == (640, 240) and len(set(picture.convert("L").tobytes())) > 50


@pytest.mark.parametrize(
    ("log", "out", "said"),
    [
        (None, "c.svg", "log.jsonl does not exist"),
        ("", "c.svg", "no lines yet"),
        ('{"step": 20, "dice": 1}\nnonsense', "c.svg", "line 2 is no line"),
        ('{"dice": 1}', "c.svg", "line 1 is no line"),
        ('{"step": 20, "dice": 1}', "c.gif", "ends in .svg or .png"),
        ('{"step": 20, "dice": 1}', "no/c.svg", "cannot write"),
    ],
)
def test_what_cannot_be_drawn_is_named(tmp_path, log, out, said):
    if log is not None:
        (tmp_path / "log.jsonl").write_text(log)
    result = CliRunner().invoke(app, ["train", "curve", str(tmp_path), "-o", str(tmp_path / out)])
    assert isinstance(result.exception, FreckleError)
    assert said in str(result.exception)
