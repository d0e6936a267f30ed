"""What is taken home: the same bytes as `Session.save`, written when asked for, and not twice."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
import pyvips
from PIL import Image, ImageCms
from skimage import data

from agent import RetouchAgent
from agent.recipe import Recipe
from llm.commands import Turn
from memory.preferences import Preferences
from ui.web import downloads
from ui.web.downloads import ITEMS, written
from ui.web.sessions import Visit, Visits
from vision.errors import FreckleError
from vision.settings import Settings

WRINKLES = {"do": "reduce", "what": "wrinkles", "strength": 1.0}
SOFTER = Turn.model_validate({"commands": [WRINKLES]})
UNDO = Turn.model_validate({"commands": [{"do": "undo"}]})
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def jpeg() -> bytes:
    exif = Image.Exif()
    exif[0x010E] = "for the test"
    file = io.BytesIO()
    image = Image.fromarray(data.astronaut())
    image.save(file, "jpeg", quality=91, exif=exif, icc_profile=ICC, dpi=(144, 144))
    return file.getvalue()


def tiff() -> bytes:
    """16 bits for each channel."""
    deep = data.astronaut().astype(np.uint16) * 257
    image = pyvips.Image.new_from_array(deep).copy(interpretation="rgb16")
    image.set_type(pyvips.GValue.blob_type, "icc-profile-data", ICC)
    return image.tiffsave_buffer(compression="deflate")


@pytest.fixture(scope="module")
def agent(tmp_path_factory) -> RetouchAgent:
    url = f"sqlite:///{tmp_path_factory.mktemp('memory') / 'memory.db'}"
    return RetouchAgent.load(memory=Preferences.load(Settings(database_url=url)))


@pytest.fixture
def opened(agent, tmp_path):
    """open(source, name) -> the visit of a user of this test alone."""

    def open(source: bytes, name: str) -> Visit:
        return Visits(agent, tmp_path).open("tab", source, name, tmp_path.name)

    return open


@pytest.mark.parametrize(
    ("source", "name"), [(jpeg(), "me.retouched.jpg"), (tiff(), "me.retouched.tif")]
)
def test_the_result_is_what_the_session_saves(opened, tmp_path, source, name):
    visit = opened(source, name)
    with pytest.raises(FreckleError, match="take it home"):
        written(visit, "result")
    assert visit.session.perform(SOFTER).changed
    path = written(visit, "result")
    assert path.name == name
    saved = visit.session.save(tmp_path / name, learn=False)
    assert path.read_bytes() == saved.read_bytes() != source
    before, after = pyvips.Image.new_from_buffer(source, ""), pyvips.Image.new_from_file(str(path))
    for field in ("width", "height", "format", "vips-loader"):
        kind = field.replace("_buffer", "")
        assert str(after.get(kind)).split("load")[0] == str(before.get(kind)).split("load")[0]
    assert after.get("icc-profile-data") == before.get("icc-profile-data") == ICC
    if name.endswith("jpg"):
        with Image.open(path) as image:
            assert image.getexif()[0x010E] == "for the test" and image.info["dpi"] == (144, 144)


def test_files_are_of_the_present_state_and_written_once(opened):
    visit = opened(jpeg(), "me.retouched.jpg")
    assert visit.session.perform(SOFTER).changed
    first = {name: written(visit, name) for name in ITEMS}
    assert [path.name for path in first.values()] == [
        "me.retouched.jpg", "me.retouched.recipe.json", "me.retouched.mask.png",
        "me.retouched.report.json",
    ]  # fmt: skip
    was = {name: (path.stat().st_mtime_ns, path.read_bytes()) for name, path in first.items()}
    again = {name: written(visit, name) for name in ITEMS}
    assert again == first
    assert was["result"][0] == again["result"].stat().st_mtime_ns
    assert Recipe.read(first["recipe"]) == visit.session.recipe()
    with Image.open(first["mask"]) as mask:
        assert mask.mode == "L" and mask.size == (512, 512)
        assert (np.asarray(mask) == visit.session.mask() * 255).all()
    visit.session.perform(UNDO)
    undone = written(visit, "result")
    assert undone != first["result"] and undone.read_bytes() != was["result"][1]
    assert not first["result"].exists()  # one state at a time is enough
    told = json.loads(written(visit, "report").read_text())
    assert [turn["commands"][0]["do"] for turn in told["turns"]] == ["reduce", "undo"]


def test_no_file_tells_where_it_lay(opened):
    visit = opened(jpeg(), "me.retouched.jpg")
    visit.session.perform(Turn.model_validate({"commands": [WRINKLES, {"do": "save"}]}))
    told = written(visit, "report").read_text()
    assert "Saved as me.retouched.jpg" in told
    for name in ITEMS:
        assert str(visit.folder).encode() not in written(visit, name).read_bytes()


def test_taking_it_home_is_a_sign_of_content(opened, agent):
    visit = opened(jpeg(), "me.retouched.jpg")
    assert visit.session.perform(SOFTER).changed
    for name in ("mask", "recipe", "report"):
        written(visit, name)
    assert agent.memory.show(visit.user) == ()
    written(visit, "result")
    written(visit, "result")
    (one,) = agent.memory.show(visit.user)
    assert (one.kind, one.source, one.among) == ("wrinkles", "inferred", 1)


def test_clicks_of_strangers_get_nothing(tmp_path):
    with gr.Blocks(analytics_enabled=False) as page:
        home = downloads.build(Visits(SimpleNamespace(), tmp_path))
    events = [one for one in page.fns.values() if one.fn]
    assert len(events) == len(ITEMS)
    for event in events:
        assert event.api_visibility == "private"
        value, line = event.fn(SimpleNamespace(session_hash="another"))
        assert value is None and "portrait first" in line
    nothing = SimpleNamespace(session=SimpleNamespace(can_undo=False))
    line, *buttons = home.shown
    shown = home.show(nothing)
    assert not any(shown[button].interactive for button in buttons)
    assert isinstance(shown[line], str) and not any(Path(tmp_path).iterdir())
