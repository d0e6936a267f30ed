from __future__ import annotations

import io
from types import SimpleNamespace

import pytest
from PIL import Image

from agent.session import default_output
from ui.terminal import converse, free_output
from vision.errors import FreckleError


def test_free_output_counts_past_what_is_there(tmp_path):
    photo = tmp_path / "a.jpg"
    assert free_output(photo).name == "a.retouched.jpg"
    (tmp_path / "a.retouched.jpg").touch()
    (tmp_path / "a.retouched-2.jpg").touch()
    assert free_output(photo).name == "a.retouched-3.jpg"


def test_ctrl_c_stops_a_turn_and_then_the_conversation(tmp_path, monkeypatch, capsys):
    def pressed(*_):
        raise KeyboardInterrupt

    turns = iter([lambda: SimpleNamespace(changed=True, saved=None, text="Done.", view=None)])
    session = SimpleNamespace(say=lambda message: next(turns, pressed)(), unsaved=True)
    agent = SimpleNamespace(open=lambda *args, **options: session)
    messages = iter([lambda: "soften the wrinkles", lambda: "and the freckles"])
    monkeypatch.setattr(
        "rich.console.Console.input", lambda self, prompt: next(messages, pressed)()
    )
    converse(agent, tmp_path / "a.jpg", None)
    printed = capsys.readouterr().out
    assert "Stopped." in printed and "The last changes were not saved." in printed


def test_a_mistake_of_ours_does_not_end_the_conversation(portrait, monkeypatch, capsys):
    said = []

    def say(message):
        said.append(message)
        if message == "break":
            raise ValueError("a bug")
        return SimpleNamespace(text="Done.", view=None)

    agent = SimpleNamespace(open=lambda *args, **options: SimpleNamespace(say=say, unsaved=False))
    messages = iter(["break", "soften the wrinkles", "/quit"])
    monkeypatch.setattr("rich.console.Console.input", lambda self, prompt: next(messages))
    converse(agent, portrait, None)
    printed = capsys.readouterr().out
    assert said == ["break", "soften the wrinkles"]
    assert "internal error: ValueError: a bug" in printed and "Done." in printed


def test_a_conversation_in_the_terminal(portrait, monkeypatch, capsys):
    from agent import RetouchAgent

    messages = iter(["soften the wrinkles", "", "save it", "undo", "/quit", "never said"])
    monkeypatch.setattr("rich.console.Console.input", lambda self, prompt: next(messages))
    converse(RetouchAgent.load(), portrait, None)
    printed = capsys.readouterr().out
    assert printed.count("freckle:") == 3
    assert "not saved" in printed  # the undo came after saving
    assert next(messages) == "never said"
    with Image.open(portrait.with_name("portrait.retouched.jpg")) as saved:
        assert saved.size == (512, 512)


def test_a_photo_without_an_ending_gets_that_of_its_format(portrait, tmp_path):
    bare = portrait.rename(tmp_path / "portrait")
    assert default_output(bare) == tmp_path / "portrait.retouched.jpg"
    assert default_output(tmp_path / "other.JPG").name == "other.retouched.JPG"
    Image.new("RGBA", (8, 8)).save(tmp_path / "logo.jpg", format="png")
    assert default_output(tmp_path / "logo.jpg").name == "logo.retouched.png"
    (tmp_path / "text").write_text("not a photo")
    with pytest.raises(FreckleError, match="is not a photo"):
        default_output(tmp_path / "text")


def test_bytes_that_are_no_text_do_not_end_the_conversation(tmp_path, monkeypatch):
    said = []
    typed = io.TextIOWrapper(io.BytesIO(b"soften my caf\xe9\nundo\n"), encoding="utf-8")
    monkeypatch.setattr("sys.stdin", typed)
    reply = SimpleNamespace(text="Done.", view=None)
    session = SimpleNamespace(say=lambda text: said.append(text) or reply, unsaved=False)
    converse(SimpleNamespace(open=lambda *args, **options: session), tmp_path / "a.jpg", None)
    assert said == ["soften my caf\N{REPLACEMENT CHARACTER}", "undo"]
