"""The command line on a real portrait with the shipped weights, and its refusals."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

import ui.cli

WISH = "soften the wrinkles but keep freckles"


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.startswith("memory.db")}


def one_line(err: str) -> str:
    assert err.startswith("freckle: ") and err.count("\n") == 1, err
    return err


# Calls that are wrong.


@pytest.mark.parametrize(
    "call",
    [
        ["nonsense"],
        ["retouch"],
        ["retouch", "portrait.jpg", WISH, "--nonsense"],
        ["ui", "--port", "70000"],
        ["memory", "show"],
        ["parse"],
        ["parse", "text", "--jsonl", "file"],
        ["memory", "forget", "--user", "mia", "--what", "nonsense", "--yes"],
    ],
)
def test_a_wrong_call_is_one_line_and_exit_2(freckle, call):
    outcome = freckle(*call)
    assert (outcome.code, outcome.out) == (2, "")
    one_line(outcome.err)


def test_exit_codes_reach_the_shell(tmp_path):
    call = [sys.executable, "-m", "ui.cli", "retouch", str(tmp_path / "no.jpg"), WISH]
    done = subprocess.run(call, capture_output=True, text=True, env=os.environ)
    assert done.returncode == 2
    assert str(tmp_path / "no.jpg") in one_line(done.stderr)


def test_an_internal_error_is_one_line_and_exit_1(freckle, portrait, monkeypatch):
    def broken() -> None:
        raise ZeroDivisionError("two\nlines")

    monkeypatch.setattr(ui.cli, "load_agent", broken)
    outcome = freckle("retouch", portrait, WISH)
    assert outcome.code == 1
    assert one_line(outcome.err) == "freckle: internal error: ZeroDivisionError: two lines\n"
    assert "Traceback" in freckle("--debug", "retouch", portrait, WISH).err


@pytest.mark.parametrize("command", ["detect", "parse"])
def test_a_device_that_is_not_there_is_one_line_and_exit_2(freckle, portrait, monkeypatch, command):
    monkeypatch.setenv("FRECKLE_DEVICE", "cpu")  # what --device sets ends with the test
    call = ("detect", portrait, "wrinkles") if command == "detect" else ("parse", WISH)
    outcome = freckle("--device", "nonsense", *call)
    assert outcome.code == 2
    assert "no device nonsense" in one_line(outcome.err)


def test_a_wrong_setting_names_itself(freckle, portrait, monkeypatch):
    monkeypatch.setenv("FRECKLE_DTYPE", "int3")
    outcome = freckle("retouch", portrait, WISH)
    assert outcome.code == 2
    assert "dtype" in one_line(outcome.err)


def test_another_model_reads_messages_and_says_when_it_cannot(freckle, monkeypatch):
    monkeypatch.setenv("FRECKLE_MODEL", "embedded")  # what --model sets ends with the test
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    outcome = freckle("--model", f"qwen3@{url}", "parse", "undo")
    assert json.loads(outcome.out) == {"commands": [{"do": "undo", "steps": 1}]}
    line = "freckle: read by the built-in model, since qwen3 cannot be reached\n"
    assert (outcome.code, outcome.err) == (0, line)
    outcome = freckle("--model", url, "parse", "undo")
    assert outcome.code == 2 and f"NAME@{url}" in one_line(outcome.err)


def test_files_that_are_no_photos(freckle, portrait, tmp_path):
    (tmp_path / "text.jpg").write_text("not a photo")
    (tmp_path / "short.png").write_bytes(png(data.astronaut())[:5000])
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "folder.jpg").mkdir()
    before = names(tmp_path)
    for name in ("text.jpg", "short.png", "empty.jpg", "folder.jpg", "missing.jpg"):
        outcome = freckle("retouch", tmp_path / name, WISH)
        assert (outcome.code, outcome.out) == (2, "")
        assert name in one_line(outcome.err)
    assert names(tmp_path) == before


def png(pixels: np.ndarray) -> bytes:
    import io

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG")
    return file.getvalue()


def test_places_that_cannot_be_written(freckle, portrait, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "taken.jpg").write_bytes(b"taken")
    before, photo = names(tmp_path), portrait.read_bytes()
    for option, place, why in (
        ("-o", tmp_path / "file" / "out.jpg", "not a folder"),
        ("-o", tmp_path / "taken.jpg", "--overwrite"),
        ("-o", portrait, "is the input"),
        ("--report", tmp_path / "file" / "report.json", "not a folder"),
        ("--mask", portrait, "is the input"),
        ("-o", tmp_path / "out.gif", "no known ending"),
        ("--mask", tmp_path / "mask.jpg", "ends in .png"),
    ):
        outcome = freckle("retouch", portrait, WISH, option, place)
        assert outcome.code == 2
        assert str(place) in one_line(outcome.err) and why in outcome.err
    assert names(tmp_path) == before
    assert portrait.read_bytes() == photo and (tmp_path / "taken.jpg").read_bytes() == b"taken"


def test_a_wrong_ending_is_told_before_any_work(freckle, portrait, tmp_path, monkeypatch):
    monkeypatch.setattr("vision.pipeline.analyse", None)
    recipe = tmp_path / "recipe.json"
    for call, why in (
        (["apply", portrait, recipe, "-o", tmp_path / "out"], "no known ending"),
        (["detect", portrait, "wrinkles", "-o", tmp_path / "mask.jpg"], "ends in .png"),
        (["retouch", portrait, WISH, "-o", tmp_path / "out.gif"], "no known ending"),
    ):
        outcome = freckle(*call)
        assert outcome.code == 2 and why in one_line(outcome.err)


@pytest.mark.parametrize("link", ["symlink_to", "hardlink_to"])
def test_overwrite_never_reaches_the_input(freckle, portrait, tmp_path, link):
    other = tmp_path / "other.jpg"
    getattr(other, link)(portrait)
    photo = portrait.read_bytes()
    for source, out in ((portrait, other), (other, portrait)):
        outcome = freckle("retouch", source, WISH, "-o", out, "--overwrite")
        assert outcome.code == 2 and "is the input" in outcome.err
    assert portrait.read_bytes() == photo


# Work on a real portrait.


def test_retouch_writes_everything_it_was_asked_for_and_apply_repeats_it(
    freckle, portrait, tmp_path
):
    photo = portrait.read_bytes()
    files = {kind: tmp_path / f"{kind}.json" for kind in ("report", "recipe")}
    mask = tmp_path / "mask.png"
    done = freckle(
        "retouch", portrait, WISH, "--mask", mask,
        "--report", files["report"], "--recipe", files["recipe"],
    )  # fmt: skip
    out = tmp_path / "portrait.retouched.jpg"
    assert done.code == 0, done.err
    assert done.out.splitlines()[-1] == str(out)
    assert names(tmp_path) == {
        "portrait.jpg", "portrait.retouched.jpg", "mask.png", "report.json", "recipe.json",
    }  # fmt: skip
    assert portrait.read_bytes() == photo

    report = json.loads(files["report"].read_text())
    assert [command["do"] for command in report["commands"]] == ["reduce", "keep"]
    assert report["reply"] in done.out
    assert report["outside_max_change"] == 0
    assert all(kept["max_change"] == 0 for kept in report["kept"])
    with Image.open(out) as image, Image.open(mask) as edited:
        assert image.format == "JPEG" and image.size == (512, 512)
        assert image.info["dpi"] == (144, 144)
        assert edited.size == (512, 512) and set(edited.tobytes()) == {0, 255}

    again = tmp_path / "again.jpg"
    assert freckle("apply", portrait, files["recipe"], "-o", again).code == 0
    assert again.read_bytes() == out.read_bytes()
    taken = freckle("retouch", portrait, WISH)
    assert taken.code == 2 and "--overwrite" in taken.err
    assert freckle("retouch", portrait, WISH, "--overwrite").code == 0

    Image.fromarray(data.astronaut()[::-1]).save(tmp_path / "other.png")
    refused = freckle("apply", tmp_path / "other.png", files["recipe"])
    assert refused.code == 2 and "not the photo" in one_line(refused.err)


def test_a_name_that_is_no_text_is_printed_as_it_is(portrait, tmp_path):
    """A file from a camera of another language: bytes that no UTF-8 has."""
    odd = tmp_path / os.fsdecode(b"caf\xe9.jpg")
    portrait.rename(odd)
    call = [sys.executable, "-m", "ui.cli", "retouch", str(odd), f"{WISH} and save it"]
    report = tmp_path / "report.json"
    done = subprocess.run([*call, "--report", str(report)], capture_output=True, env=os.environ)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == os.fsencode(tmp_path) + b"/caf\xe9.retouched.jpg"
    assert json.loads(report.read_bytes())["reply"].count(".jpg") < 2


def test_pixels_outside_the_mask_are_the_photos_own(freckle, tmp_path):
    photo, out, mask = tmp_path / "p.png", tmp_path / "o.png", tmp_path / "m.png"
    photo.write_bytes(png(data.astronaut()))
    assert freckle("retouch", photo, "remove the wrinkles", "-o", out, "--mask", mask).code == 0
    after, edited = np.asarray(Image.open(out)), np.asarray(Image.open(mask)) > 0
    changed = (after != data.astronaut()).any(axis=2)
    assert changed.any()
    assert not (changed & ~edited).any()


@pytest.mark.parametrize(
    ("wish", "pixels"),
    [
        (WISH, np.full((200, 200, 3), 128, np.uint8)),
        ("make my nose smaller", data.astronaut()),
    ],
    ids=["no face", "unsupported"],
)
def test_understood_but_nothing_to_do_is_exit_3_and_no_file(freckle, tmp_path, wish, pixels):
    photo = tmp_path / "photo.png"
    photo.write_bytes(png(pixels))
    outcome = freckle("retouch", photo, wish, "--report", tmp_path / "report.json")
    assert outcome.code == 3
    one_line(outcome.err)
    assert names(tmp_path) == {"photo.png"}


def test_demo_writes_its_four_files(freckle, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        outcome = freckle("demo")
        assert outcome.code == 0, outcome.err
    folder = tmp_path / "freckle-demo"
    assert names(folder) == {"before.png", "after.png", "mask.png", "report.json"}
    assert all(f"freckle-demo/{name}" in outcome.out for name in names(folder))
    turns = json.loads((folder / "report.json").read_text())["turns"]
    assert [turn["commands"][0]["do"] for turn in turns] == ["reduce", "adjust"]
    before, after, mask = (
        np.asarray(Image.open(folder / f"{name}.png")) for name in ("before", "after", "mask")
    )
    assert (before == data.astronaut()).all()
    changed = (before != after).any(axis=2)
    assert changed.any() and not (changed & (mask == 0)).any()


# Words alone.


def test_parse_prints_one_line_of_json(freckle, tmp_path):
    outcome = freckle("parse", WISH)
    assert outcome.code == 0 and outcome.out.count("\n") == 1
    first, second = json.loads(outcome.out)["commands"]
    assert (first["do"], first["what"], first["strength"]) == ("reduce", "wrinkles", 0.5)
    assert (second["do"], second["what"]) == ("keep", "freckles")

    state = tmp_path / "state.json"
    edit = {"what": "wrinkles", "where": ["forehead"], "strength": 0.5}
    state.write_text(json.dumps({"edits": [edit], "kept": [], "last": 0, "faces": 1}))
    (command,) = json.loads(freckle("parse", "a bit less", "--state", state).out)["commands"]
    assert (command["do"], command["delta"]) == ("adjust", -0.1)


def test_parse_answers_a_file_in_order(freckle, tmp_path):
    file = tmp_path / "lines.jsonl"
    file.write_text('{"id": "b", "text": "undo"}\n\n{"id": 1, "text": "redo", "state": {}}\n')
    answers = [json.loads(line) for line in freckle("parse", "--jsonl", file).out.splitlines()]
    assert [(one["id"], one["commands"][0]["do"]) for one in answers] == [
        ("b", "undo"),
        (1, "redo"),
    ]


def test_a_message_that_is_too_long_stops_no_other(freckle, tmp_path):
    file = tmp_path / "lines.jsonl"
    texts = ["undo", "word " * 500, "redo"]
    rows = [json.dumps({"id": number, "text": text}) for number, text in enumerate(texts)]
    file.write_text("\n".join(rows))
    outcome = freckle("parse", "--jsonl", file)
    first, refused, last = (json.loads(line) for line in outcome.out.splitlines())
    assert [one["commands"][0]["do"] for one in (first, last)] == ["undo", "redo"]
    assert refused["id"] == 1 and "too long" in refused["error"]
    assert outcome.code == 2 and "1 of 3 messages" in one_line(outcome.err)
    alone = freckle("parse", "word " * 500)
    assert alone.code == 2 and "too long" in one_line(alone.err)


@pytest.mark.parametrize(
    "bad", ["nonsense", '{"id": 1}', '{"id": 1, "text": "a", "state": {"last": 5}}', "[]"]
)
def test_a_bad_line_is_named(freckle, tmp_path, bad):
    file = tmp_path / "lines.jsonl"
    file.write_text('{"id": 1, "text": "undo"}\n' + bad)
    outcome = freckle("parse", "--jsonl", file)
    assert (outcome.code, outcome.out) == (2, "")
    assert f"{file}, line 2: " in one_line(outcome.err)


def test_a_bad_state_is_named(freckle, tmp_path):
    state = tmp_path / "state.json"
    state.write_text('{"edits": 3}')
    outcome = freckle("parse", "undo", "--state", state)
    assert outcome.code == 2 and f"{state} is not" in one_line(outcome.err)


# Memory, models, training.


def test_memory_from_a_standing_wish_to_forgetting(freckle, portrait, tmp_path):
    assert "Nothing is remembered" in freckle("memory", "show", "--user", "mia").out
    wish = "soften the wrinkles and from now on always keep my freckles"
    freckle("retouch", portrait, wish, "--user", "mia")
    shown = freckle("memory", "show", "--user", "mia").out
    assert "keep freckles" in shown and "because" in shown
    assert "Nothing" in freckle("memory", "show", "--user", "noah").out

    exported = tmp_path / "mia.json"
    assert freckle("memory", "export", "--user", "mia", "-o", exported).code == 0
    assert freckle("memory", "export", "--user", "mia").out == exported.read_text()
    taken = freckle("memory", "export", "--user", "mia", "-o", exported)
    assert taken.code == 2 and "--overwrite" in one_line(taken.err)
    assert freckle("memory", "export", "--user", "mia", "-o", exported, "--overwrite").code == 0
    asked = freckle("memory", "forget", "--user", "mia")
    assert asked.code == 2 and "--yes" in one_line(asked.err)
    assert "keep freckles" in freckle("memory", "show", "--user", "mia").out
    assert freckle("memory", "forget", "--user", "mia", "--yes").code == 0
    assert "Nothing is remembered" in freckle("memory", "show", "--user", "mia").out

    assert freckle("memory", "import", exported, "--user", "mia").code == 0
    assert freckle("memory", "show", "--user", "mia").out == shown
    assert freckle("memory", "forget", "--user", "mia", "--what", "moles", "--yes").code == 0
    assert freckle("memory", "show", "--user", "mia").out == shown
    exported.write_text("nonsense")
    wrong = freckle("memory", "import", exported, "--user", "mia")
    assert wrong.code == 2 and str(exported) in one_line(wrong.err)


def test_forget_obeys_a_no_at_the_terminal(freckle, monkeypatch):
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.confirm", lambda question: False)
    outcome = freckle("memory", "forget", "--user", "mia")
    assert outcome.code == 3 and "Nothing was forgotten" in outcome.err


def test_models_lists_every_weight_file_with_its_licence(freckle):
    import hashlib

    lines = [json.loads(line) for line in freckle("models", "--json").out.splitlines()]
    root = Path(ui.cli.__file__).parents[1]
    shipped = {
        *root.glob("vision/weights/**/*.safetensors"),
        *root.glob("llm/weights/**/*.safetensors"),
    }
    listed = {Path(line["path"]): line for line in lines}
    assert shipped < listed.keys()
    assert {path.name for path in listed.keys() - shipped} == {
        "centerface.onnx",
        "model.safetensors",
        "model.npz.xz",
    }
    for path, line in listed.items():
        assert line["size"] == path.stat().st_size
        assert line["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert line["license"] in {"Apache-2.0", "MIT", "BSD-3-Clause"} and line["source"]
    text = freckle("models").out
    assert all(line["sha256"] in text for line in lines)


@pytest.mark.parametrize("group", [ui.cli.train, ui.cli.evaluate], ids=["train", "evaluate"])
def test_training_commands_lead_to_modules(group):
    for command in group.registered_commands:
        module = command.help.partition("`python -m ")[2].partition("`")[0]
        assert importlib.util.find_spec(module) is not None


def test_speed_measures_every_step():
    from training.evaluate.speed import measure

    measured = measure(0.3, None)
    assert measured["faces"] == 1
    assert all(measured[step] > 0 for step in ("parse", "analyse", "render", "measure", "again"))
    assert measured["again"] < measured["render"] + measured["analyse"]
    assert 100 < measured["peak_mib"] < 8000


@pytest.mark.parametrize("command", ["retouch", "batch"])
def test_a_name_that_is_too_long_is_one_line_and_exit_2(freckle, tmp_path, command):
    odd = tmp_path / ("x" * 300 + ".jpg")
    call = ("batch", odd, tmp_path / "out", WISH) if command == "batch" else ("retouch", odd, WISH)
    outcome = freckle(*call)
    assert outcome.code == 2
    one_line(outcome.err)


def test_an_import_names_its_file(freckle, tmp_path):
    (tmp_path / "other.json").write_text("{}")
    outcome = freckle("memory", "import", tmp_path / "other.json", "--user", "mia")
    assert outcome.code == 2 and "other.json" in one_line(outcome.err)
