from __future__ import annotations

import os
from pathlib import Path

import pytest

from ui.outputs import Outputs, write_file
from vision.errors import FreckleError


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_files_appear_together(tmp_path):
    outputs = Outputs((), overwrite=False)
    one, two = outputs.claim(tmp_path / "one.png"), outputs.claim(tmp_path / "two.json")
    assert one.suffix == ".png"
    with outputs:
        one.write_text("1")
        two.write_text("2")
        assert not names(tmp_path) & {"one.png", "two.json"}
    assert names(tmp_path) == {"one.png", "two.json"}


def test_nothing_is_left_behind_when_a_later_file_fails(tmp_path):
    outputs = Outputs((), overwrite=False)
    one, two = outputs.claim(tmp_path / "one"), outputs.claim(tmp_path / "two")
    two.mkdir()
    with pytest.raises(FreckleError, match=f"^cannot write {tmp_path / 'two'}: "), outputs:
        outputs.write(one, b"1")
        try:
            outputs.write(two, b"2")
        finally:
            two.rmdir()
    assert names(tmp_path) == set()


def test_an_existing_file_needs_overwrite(tmp_path):
    (tmp_path / "out").write_text("old")
    with pytest.raises(FreckleError, match="--overwrite"):
        write_file(tmp_path / "out", b"new")
    write_file(tmp_path / "out", b"new", overwrite=True)
    assert (tmp_path / "out").read_text() == "new"


@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
def test_a_file_that_appears_meanwhile_is_not_replaced(tmp_path, monkeypatch, links):
    def refuse(*_):
        raise PermissionError("no links here")

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    outputs = Outputs((), overwrite=False)
    with pytest.raises(FreckleError, match="two appeared meanwhile: name another"), outputs:
        for name in ("one", "two"):
            outputs.write(outputs.claim(tmp_path / name), b"ours")
        (tmp_path / "two").write_text("theirs")
    assert names(tmp_path) == {"two"}
    assert (tmp_path / "two").read_text() == "theirs"


def test_a_place_that_is_lost_meanwhile_is_named(tmp_path):
    (tmp_path / "in").mkdir()
    outputs = Outputs((), overwrite=True)
    with pytest.raises(FreckleError, match=f"^cannot write {tmp_path / 'in' / 'out'}: "), outputs:
        outputs.write(outputs.claim(tmp_path / "in" / "out"), b"ours")
        (tmp_path / "in" / "out").mkdir()


@pytest.mark.parametrize("make", ["symlink_to", "hardlink_to"])
def test_the_input_is_never_replaced_by_any_name(tmp_path, make):
    photo, other = tmp_path / "photo", tmp_path / "other"
    photo.write_text("photo")
    getattr(other, make)(photo)
    for source, place in ((photo, other), (other, photo), (photo, photo)):
        with pytest.raises(FreckleError, match="is the input"):
            Outputs([source], overwrite=True).claim(place)


def test_places_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    outputs = Outputs((), overwrite=True)
    for place, why in (
        (tmp_path / "file" / "out", "is not a folder"),
        (tmp_path / "nowhere" / "out", "cannot be found"),
        (tmp_path / "folder", "is a folder"),
    ):
        with pytest.raises(FreckleError, match=why):
            outputs.claim(place)


def test_names_are_as_long_as_the_file_system_lets_them_be(tmp_path):
    write_file(tmp_path / f"{'n' * 246}.jpg", b"long")
    with pytest.raises(FreckleError, match="too long"):
        write_file(tmp_path / f"{'n' * 260}.jpg", b"too long")
    assert len(names(tmp_path)) == 1


def test_two_outputs_need_two_names(tmp_path):
    outputs = Outputs((), overwrite=True)
    outputs.claim(tmp_path / "out")
    (tmp_path / "folder").mkdir()
    with pytest.raises(FreckleError, match="two outputs"):
        outputs.claim(tmp_path / "folder" / ".." / "out")


def test_a_pipe_or_a_device_is_never_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for place in (pipe, Path("/dev/null")):
        with pytest.raises(FreckleError, match="no ordinary file"):
            write_file(place, b"x", overwrite=True)
    assert pipe.is_fifo()
