"""What kind of photo it is, and that heads have no part in telling it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from memory import setting
from memory.scene import FEATURES, describe, scene_of
from vision import photo as photos
from vision.errors import FreckleError

FACE = [(150.0, 120.0, 90.0, 110.0)]


def picture(paint=None, width=400, height=500, seed=0):
    """A lit wall with texture, changed by `paint`, as pixels."""
    rng = np.random.default_rng(seed)
    pixels = np.full((height, width, 3), 128.0) + rng.normal(0, 3, (height, width, 1))
    if paint is not None:
        pixels = paint(pixels)
    return np.clip(pixels, 0, 255).astype(np.uint8)


def seen(paint=None, faces=FACE, **options):
    return describe(photos.load(picture(paint, **options)), faces)


def test_no_pixel_of_a_head_has_a_say():
    rng = np.random.default_rng(1)
    one = picture()
    for size in (1, 4):
        plain = np.kron(one, np.ones((size, size, 1), np.uint8))
        x, y, w, h = (round(value * size) for value in FACE[0])
        other = plain.copy()
        other[y : y + h, x : x + w] = rng.integers(0, 255, (h, w, 3))
        boxes = [tuple(value * size for value in FACE[0])]
        before, after = (describe(photos.load(pixels), boxes) for pixels in (plain, other))
        assert before == after


@pytest.mark.parametrize(
    ("feature", "less", "more"),
    [
        ("key", lambda p: p - 60, lambda p: p + 60),
        ("contrast", lambda p: p, lambda p: p + np.linspace(-100, 100, 500)[:, None, None]),
        ("warmth", lambda p: p + (-30, 0, 30), lambda p: p + (30, 0, -30)),
        ("side", lambda p: p - np.linspace(-50, 50, 400)[None, :, None],
         lambda p: p + np.linspace(-50, 50, 400)[None, :, None]),
        ("above", lambda p: p + np.linspace(-50, 50, 500)[:, None, None],
         lambda p: p - np.linspace(-50, 50, 500)[:, None, None]),
        ("colour", lambda p: p, lambda p: p + (40, 0, -40)),
        ("noise", lambda p: p,
         lambda p: p + np.random.default_rng(2).normal(0, 15, (500, 400, 1))),
    ],
)  # fmt: skip
def test_every_feature_follows_what_it_is_named_after(feature, less, more):
    assert seen(less)[feature] + 0.05 < seen(more)[feature]


def test_a_plain_background_is_soft_and_stripes_are_not():
    stripes = seen(lambda p: p + 60 * (np.arange(400) // 6 % 2)[None, :, None])
    plain = seen(lambda p: p * 0 + 128)
    assert stripes["softness"] < 0.4 < plain["softness"]
    assert "soft background" in plain.tags
    assert stripes["sharpness"] > plain["sharpness"]


@pytest.mark.parametrize(
    ("faces", "framing"),
    [([], "no face"), (FACE, "portrait"), ([(50.0, 50.0, 260.0, 330.0)], "close-up"),
     (FACE * 3, "group")],
)  # fmt: skip
def test_framing_is_told(faces, framing):
    scene = seen(faces=faces)
    assert scene.framing == framing == scene.tags[0]


def test_flash_is_read_from_exif():
    def with_flash(fired):
        image = Image.fromarray(picture())
        exif = Image.Exif()
        exif.get_ifd(0x8769)[0x9209] = fired
        image.info["exif"] = exif.tobytes()
        return describe(photos.load(image), FACE)

    assert with_flash(1)["flash"] == 1 and "flash" in with_flash(1).tags
    assert with_flash(16)["flash"] == 0
    assert seen()["flash"] == 0.5


def test_a_head_that_fills_the_photo_leaves_the_rest_unknown():
    scene = seen(faces=[(0.0, 0.0, 400.0, 500.0)])
    assert [scene[name] for name in FEATURES if name not in ("faces", "size")] == [0.5] * 10
    assert scene.framing == "close-up"


def test_black_and_white_is_named():
    assert "black and white" in seen().tags
    assert "black and white" not in seen(lambda p: p + (40, 0, -40)).tags


def test_scenes_are_clipped_to_their_range():
    assert scene_of({"key": 7, "noise": -1})["key"] == 1
    assert scene_of({"key": 7, "noise": -1})["noise"] == 0


@pytest.fixture
def tiny_clip(tmp_path):
    """A CLIP of open_clip's with random weights."""
    open_clip = pytest.importorskip("open_clip")
    from safetensors.torch import save_file

    sight = {"image_size": 32, "layers": 1, "width": 16, "patch_size": 16, "head_width": 8}
    text = {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
    config = {"embed_dim": 16, "vision_cfg": sight, "text_cfg": text}
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": config}))
    save_file(open_clip.CLIP(**config).state_dict(), tmp_path / "open_clip_model.safetensors")
    return str(tmp_path)


def test_a_clip_tells_the_setting_without_looking_at_heads(tiny_clip, monkeypatch):
    monkeypatch.setattr(setting, "LEAST", 0.0)
    one, other = picture(), picture()
    x, y, w, h = (round(value) for value in FACE[0])
    other[y : y + h, x : x + w] = 255
    found = [setting.setting_of(photos.load(p), FACE, tiny_clip) for p in (one, other)]
    assert found[0] == found[1] in setting.SETTINGS
    chances = setting.clip(tiny_clip).likelihoods(Image.fromarray(one))
    assert sum(chances.values()) == pytest.approx(1, abs=1e-5)


def test_a_clip_that_is_not_there_is_told(tmp_path):
    with pytest.raises(FreckleError, match="FRECKLE_SCENE_CLIP"):
        setting.clip(str(tmp_path))
