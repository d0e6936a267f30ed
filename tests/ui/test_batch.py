"""A whole shoot: what is done, what is left alone, and what every photo's row says."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from skimage import data

from agent.report import EditReport, ToneReport
from memory.preferences import Observation, Preferences
from ui.batch import find_photos
from ui.cli import run
from ui.engines import run_here
from ui.files import retouch_photo
from ui.shoot import (
    Job,
    Order,
    agent_of,
    earlier,
    in_short,
    is_finished,
    retouch_one,
    sha256,
)
from vision.settings import Settings

WISH = "soften the wrinkles"
PHOTOS = ("a.jpg", "day 2/a.png")


@pytest.fixture(scope="module")
def shot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder `in` of two portraits among other things, and `out` as one batch left it."""
    folder = tmp_path_factory.mktemp("shoot")
    day = folder / "in" / "day 2"
    day.mkdir(parents=True)
    portrait = Image.fromarray(data.astronaut())
    portrait.save(folder / "in" / "a.jpg", quality=92, dpi=(144, 144))
    portrait.crop((60, 0, 380, 320)).save(day / "a.png")
    Image.new("RGB", (64, 64), "grey").save(day / "grey.png")
    (folder / "in" / "bad.jpg").write_text("not a photo")
    (folder / "in" / ".hidden.jpg").write_text("not a photo")
    (folder / "in" / "notes.txt").touch()
    with pytest.MonkeyPatch.context() as patch:
        (folder / "freckle.toml").touch()
        patch.setenv("FRECKLE_CONFIG", str(folder / "freckle.toml"))
        (folder / "code").write_text(str(run(["batch", *places(folder), WISH])))
    yield folder


@pytest.fixture
def shoot(shot: Path, tmp_path: Path) -> Path:
    """A copy of it, to change, without the file that is no photo."""
    shutil.copytree(shot, tmp_path / "shoot")
    (tmp_path / "shoot" / "in" / "bad.jpg").unlink()
    return tmp_path / "shoot"


@pytest.fixture
def portrait_alone(shoot: Path) -> Path:
    """The same with one portrait and no result yet."""
    shutil.rmtree(shoot / "out")
    shutil.rmtree(shoot / "in" / "day 2")
    return shoot


def places(folder: Path) -> tuple[str, str]:
    return str(folder / "in"), str(folder / "out")


def files(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): sha256(path)
        for path in folder.rglob("*")
        if path.is_file()
    }


def times(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def rows(out: str) -> dict[str, str]:
    """The summary: the outcome and what was told, by the photo's name."""
    lines = [line.strip().split("  ", 1) for line in out.splitlines()[3:] if "   " in line.strip()]
    return {line[0]: " ".join(line[1].split()) for line in lines}


# What a batch leaves.


def test_every_photo_is_written_as_it_was_read_with_a_recipe_beside_it(shot, freckle, tmp_path):
    assert files(shot / "out").keys() == {
        name for photo in PHOTOS for name in (photo, f"{photo}.recipe.json")
    }
    for photo in PHOTOS:
        source, result = shot / "in" / photo, shot / "out" / photo
        with Image.open(source) as before, Image.open(result) as after:
            assert (before.format, before.size) == (after.format, after.size)
            assert before.info.get("dpi") == after.info.get("dpi")
            assert before.tobytes() != after.tobytes()
        again = tmp_path / result.name
        assert freckle("apply", source, f"{result}.recipe.json", "-o", again).code == 0
        assert again.read_bytes() == result.read_bytes()


def test_one_photo_of_a_batch_is_what_retouch_makes_of_it(shot, freckle, tmp_path):
    out, recipe = tmp_path / "a.jpg", tmp_path / "recipe.json"
    call = ("retouch", shot / "in" / "a.jpg", WISH, "-o", out, "--recipe", recipe)
    assert freckle(*call).code == 0
    assert out.read_bytes() == (shot / "out" / "a.jpg").read_bytes()
    batch = json.loads((shot / "out" / "a.jpg.recipe.json").read_text())
    assert batch.pop("made")["request"] == WISH
    assert batch == json.loads(recipe.read_text())


def test_a_bad_file_is_named_and_stops_no_other(shot, freckle):
    assert (shot / "code").read_text() == "2"
    again = freckle("batch", *places(shot), WISH)
    assert again.code == 2 and again.err == (
        "freckle: 1 of 4 failed: see the summary for the reasons\n"
    )
    told = rows(again.out)
    assert told["bad.jpg"].startswith("failed bad.jpg is not a photo that can be read; use")
    assert told["day 2/grey.png"].startswith("unchanged I found no face")
    assert "2 as before, 1 failed, 1 unchanged; other files passed over: 1 .txt" in again.out


# Doing only what is left to do.


def test_the_second_call_writes_nothing(shoot, freckle):
    before = times(shoot)
    outcome = freckle("batch", *places(shoot), WISH)
    assert outcome.code == 0
    assert [rows(outcome.out)[photo] for photo in PHOTOS] == ["as before"] * 2
    assert times(shoot) == before


def test_what_is_missing_or_changed_is_done_again(shoot, freckle):
    first, second = (shoot / "out" / photo for photo in PHOTOS)
    kept = first.read_bytes()
    first.unlink()
    source = shoot / "in" / PHOTOS[1]
    with Image.open(source) as image:
        image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(source)
    outcome = freckle("batch", *places(shoot), WISH)
    assert outcome.code == 0
    assert all(rows(outcome.out)[photo].startswith("retouched wrinkles") for photo in PHOTOS)
    assert first.read_bytes() == kept
    recipe = f"{second}.recipe.json"
    assert freckle("apply", source, recipe, "-o", second, "--overwrite").code == 0


@pytest.mark.parametrize("changed", ["weights", "made"])
def test_another_version_or_other_weights_do_it_again(shoot, freckle, changed):
    shutil.rmtree(shoot / "in" / "day 2")
    recipe = shoot / "out" / "a.jpg.recipe.json"
    written = recipe.read_text()
    older = json.loads(written)
    older[changed]["freckle" if changed == "made" else "centerface.onnx"] = "older"
    recipe.write_text(json.dumps(older))
    outcome = freckle("batch", *places(shoot), WISH)
    assert outcome.code == 0 and rows(outcome.out)["a.jpg"].startswith("retouched")
    assert recipe.read_text() == written


def test_a_request_that_changes_nothing_takes_away_what_another_one_left(shoot, freckle):
    (shoot / "out" / PHOTOS[1]).unlink()  # its recipe goes, too
    outcome = freckle("batch", *places(shoot), "remove the stubble from the forehead")
    assert outcome.code == 3
    assert outcome.err.startswith("freckle: Nothing was changed in any photo")
    told = rows(outcome.out)
    assert all(told[photo].startswith("unchanged ") for photo in PHOTOS)
    assert "taken away" in told["a.jpg"] and "taken away" not in told["day 2/grey.png"]
    assert files(shoot / "out") == {}


def test_a_request_that_asks_for_no_change_takes_nothing_away(shoot, freckle, monkeypatch):
    results = files(shoot / "out")
    outcome = freckle("batch", *places(shoot), "make my nose smaller")
    assert outcome.code == 3 and "taken away" not in outcome.out
    monkeypatch.setattr("ui.batch.doubtful", lambda *_: True)
    outcome = freckle("batch", *places(shoot), "soften the wrinkles a bit")
    assert outcome.code == 3 and "I am not sure I understood" in outcome.err
    assert files(shoot / "out") == results


def test_what_somebody_changed_meanwhile_is_left_alone(shoot, freckle, monkeypatch):
    out = shoot / "out" / "a.jpg"

    def meanwhile(*arguments):
        out.write_bytes(b"touched up by hand")
        return retouch_photo(*arguments)

    monkeypatch.setattr("ui.shoot.retouch_photo", meanwhile)
    for wish in ("remove the wrinkles", "remove the stubble from the forehead"):
        assert freckle("batch", *places(shoot), wish).code in (2, 3)
        assert out.read_bytes() == b"touched up by hand"


def test_killed_between_result_and_recipe_the_next_call_goes_on(shoot, freckle, monkeypatch):
    replace, calls = os.replace, []

    def killed(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        replace(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr("os.replace", killed)
        assert freckle("batch", *places(shoot), "remove the wrinkles").code == 130
    assert freckle("batch", *places(shoot), "remove the wrinkles").code == 0


def test_a_photo_whose_request_another_model_read_is_done_again(shoot, monkeypatch):
    order = Order(WISH, None, Settings(model="qwen3@http://localhost:9/v1"))
    job = Job(shoot / "in" / "a.jpg", shoot / "out" / "a.jpg", "a.jpg", order)

    def stood_in(*arguments):
        session, reply, text = retouch_photo(*arguments)
        return session, replace(reply, trouble="qwen3 cannot be reached"), text

    monkeypatch.setattr("ui.shoot.agent_of", lambda *_: agent_of(Settings(), False))
    monkeypatch.setattr("ui.shoot.retouch_photo", stood_in)
    outcome = retouch_one(job)
    assert outcome.code == 0
    assert "read by the built-in model, since qwen3 cannot be reached" in outcome.told.lower()
    recipe = earlier(job)
    assert recipe is not None and not is_finished(job, recipe, recipe.weights)


def test_what_no_batch_wrote_is_only_replaced_when_told_so(shoot, freckle):
    shutil.rmtree(shoot / "in" / "day 2")
    out = shoot / "out" / "a.jpg"
    batch = out.read_bytes()
    out.write_bytes(b"touched up by hand")
    refused = freckle("batch", *places(shoot), WISH)
    assert refused.code == 2 and "add --overwrite" in rows(refused.out)["a.jpg"]
    assert out.read_bytes() == b"touched up by hand"
    assert freckle("batch", *places(shoot), WISH, "--overwrite").code == 0
    assert out.read_bytes() == batch
    recipe = out.with_name("a.jpg.recipe.json")
    out.unlink()
    recipe.write_text("{}")
    refused = freckle("batch", *places(shoot), WISH)
    assert refused.code == 2 and str(recipe) in rows(refused.out)["a.jpg"]
    assert recipe.read_text() == "{}" and not out.exists()


def test_stopped_half_way_nothing_is_half_and_the_next_call_goes_on(
    portrait_alone, freckle, monkeypatch
):
    def stop(session) -> None:
        assert len(files(portrait_alone / "out")) == 1  # the result, under a temporary name
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("agent.session.Session.recipe", stop)
        stopped = freckle("batch", *places(portrait_alone), WISH)
    assert (stopped.code, stopped.err) == (130, "freckle: stopped\n")
    assert files(portrait_alone / "out") == {}
    assert freckle("batch", *places(portrait_alone), WISH).code == 0
    assert len(files(portrait_alone / "out")) == 2


def test_an_internal_error_is_told_and_exit_1(shoot, freckle, monkeypatch):
    (shoot / "out" / "a.jpg").unlink()

    def broken(*arguments: object) -> None:
        raise ZeroDivisionError("two\nlines")

    monkeypatch.setattr("ui.shoot.retouch_photo", broken)
    outcome = freckle("batch", *places(shoot), WISH)
    assert outcome.code == 1
    told = rows(outcome.out)
    assert told["a.jpg"].startswith("failed internal error: ZeroDivisionError: two lines")
    assert told["day 2/a.png"] == "as before"


# Memory.


def test_memory_is_used_and_not_changed(portrait_alone, freckle, own_memory):
    rule = Observation(kind="moles", region="face", polarity="keep", source="explicit")
    Preferences.load(Settings()).learn("mia", [rule])
    known = freckle("memory", "export", "--user", "mia").out
    wish = f"{WISH} and from now on always keep my freckles"
    outcome = freckle("batch", *places(portrait_alone), wish, "--user", "mia")
    assert outcome.code == 0
    recipe = json.loads((portrait_alone / "out" / "a.jpg.recipe.json").read_text())
    assert {"moles", "freckles"} <= {keep["what"] for keep in recipe["keeps"]}
    assert recipe["made"]["user"] == "mia"
    assert freckle("memory", "export", "--user", "mia").out == known


# Engines.


def test_two_workers_write_the_bytes_that_one_writes(shot, freckle, tmp_path):
    outcome = freckle("batch", shot / "in", tmp_path / "out", WISH, "--workers", 2)
    assert outcome.code == 2 and rows(outcome.out)["bad.jpg"].startswith("failed")
    assert files(tmp_path / "out") == files(shot / "out")


def test_ray_writes_the_bytes_that_this_process_writes(shot, freckle, tmp_path):
    pytest.importorskip("ray")
    call = ("batch", shot / "in", tmp_path / "out", WISH, "--engine", "ray", "--workers", 1)
    outcome = freckle(*call)
    assert outcome.code == 2 and rows(outcome.out)["bad.jpg"].startswith("failed")
    assert files(tmp_path / "out") == files(shot / "out")


def test_without_ray_one_line_says_what_to_install(shot, freckle, tmp_path, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "ray" else find(name)
    )
    outcome = freckle("batch", shot / "in", tmp_path / "out", WISH, "--engine", "ray")
    assert outcome.code == 2 and "pip install 'freckle[ray]'" in outcome.err
    assert not (tmp_path / "out").exists()


class Deadly(Job):
    """A job whose process dies when it gets it."""

    def __reduce__(self):
        return os._exit, (1,)


def test_a_process_that_dies_takes_no_other_photo_with_it(tmp_path):
    order = Order(WISH, None, Settings())
    dies, missing, last = (
        kind(tmp_path / name, tmp_path / "out" / name, name, order)
        for kind, name in ((Deadly, "dies.jpg"), (Job, "missing.jpg"), (Job, "last.jpg"))
    )
    outcomes = {one.name: one for one in run_here([dies, missing, last], workers=2)}
    assert outcomes.keys() == {"dies.jpg", "missing.jpg", "last.jpg"}
    assert "its process died" in outcomes["dies.jpg"].told
    assert all("No such file" in outcomes[name].told for name in ("missing.jpg", "last.jpg"))
    assert {one.code for one in outcomes.values()} == {2}


# Folders and words.


def test_calls_that_are_wrong_are_one_line_and_exit_2(shot, freckle, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    photos, new = shot / "in", tmp_path / "new"
    for call, why in (
        ((tmp_path / "nowhere", new, WISH), "is not there"),
        ((photos / "a.jpg", new, WISH), "`retouch`"),
        ((photos, photos / "day 2" / "..", WISH), "the folder of the photos"),
        ((photos, photos.parent, WISH), "holds"),
        ((tmp_path / "empty", new, WISH), "holds no photo"),
        ((photos, tmp_path / "file" / "out", WISH), "cannot make the folder"),
        ((photos, new, " "), "the request is empty"),
        ((photos, new, "word " * 500), "too long"),
        ((photos, new, WISH, "--workers", "0"), "--workers"),
        ((photos, new, WISH, "--engine", "steam"), "--engine"),
    ):
        outcome = freckle("batch", *call)
        assert (outcome.code, outcome.out) == (2, "")
        assert why in outcome.err and outcome.err.count("\n") == 1
        assert not new.exists() or files(new) == {}


def test_a_link_in_the_results_leads_to_no_photos(shot, freckle, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out" / "day 2").symlink_to(tmp_path / "elsewhere")
    shutil.copytree(shot / "in" / "day 2", tmp_path / "in" / "day 2")
    outcome = freckle("batch", tmp_path / "in", tmp_path / "out", WISH)
    assert outcome.code == 2 and "is a link to another folder" in rows(outcome.out)["day 2/a.png"]
    assert files(tmp_path / "elsewhere") == {}


def test_results_and_hidden_files_are_no_photos(tmp_path, monkeypatch):
    names = ("b.JPG", "a.heic", "out/a.heic", ".a.jpg", ".trash/a.jpg", "z/c.tif", "z/raw.nef", "x")
    for name in (*names, "locked/a.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    look = os.scandir

    def scandir(folder: str) -> object:
        if Path(folder).name == "locked":
            raise PermissionError(13, "Permission denied", folder)
        return look(folder)

    monkeypatch.setattr("os.scandir", scandir)
    found = find_photos(tmp_path, leave_out=tmp_path / "out")
    assert [path.as_posix() for path in found.photos] == ["a.heic", "b.JPG", "z/c.tif"]
    assert found.others == Counter({".nef": 1, "without ending": 1})
    (locked,) = found.closed
    assert (locked.name, locked.told) == ("locked", "cannot be read: Permission denied")


def test_what_was_changed_in_a_few_words():
    class Told:
        edits = (
            EditReport(
                what="wrinkles", where=("forehead",), who=2, strength=0.5, found=0.1,
                severity_before=0.4, severity_after=0.2, reduction=0.5,
            ),
            EditReport(
                what="other", phrase="age lines", where=("face",), strength=0.5, found=0.1,
                severity_before=0.4, severity_after=0.3, reduction=0.25,
            ),
            ToneReport(
                what="brightness", where=("background",), strength=0.2, found=0.5,
                before=40.0, after=46.0,
            ),
        )  # fmt: skip

    assert in_short(Told()) == (  # type: ignore[arg-type]
        "wrinkles on the forehead of face 2 50% weaker, age lines 25% weaker and "
        "brightness in the background +20%"
    )


@pytest.mark.parametrize(
    "request_", ["a bit less on the wrinkles", "keep my freckles", "undo", "remove my tattoo"]
)
def test_feedback_and_keeps_take_nothing_away(shoot, freckle, request_):
    results = files(shoot / "out")
    outcome = freckle("batch", *places(shoot), request_)
    assert outcome.code == 3 and "taken away" not in outcome.out
    assert files(shoot / "out") == results


def test_a_photo_is_written_in_its_own_format_whatever_its_name(tmp_path, freckle):
    photos = tmp_path / "in"
    photos.mkdir()
    portrait = Image.fromarray(data.astronaut())
    portrait.save(photos / "a.jpg", format="png")
    outcome = freckle("batch", str(photos), str(tmp_path / "out"), WISH)
    assert outcome.code == 0
    with Image.open(tmp_path / "out" / "a.png") as made:
        assert made.format == "PNG"
