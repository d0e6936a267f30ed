from __future__ import annotations

from PIL import Image

from ui.terminal import converse, free_output


def test_free_output_counts_past_what_is_there(tmp_path):
    photo = tmp_path / "a.jpg"
    assert free_output(photo).name == "a.retouched.jpg"
    (tmp_path / "a.retouched.jpg").touch()
    (tmp_path / "a.retouched-2.jpg").touch()
    assert free_output(photo).name == "a.retouched-3.jpg"


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
