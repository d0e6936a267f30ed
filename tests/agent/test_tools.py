"""The commands as tools, called the way a model calls them."""

from __future__ import annotations

import pytest
from langchain_core.utils.function_calling import convert_to_openai_tool

from agent.tools import tools


def call(tool, **arguments):
    return tool.invoke({"name": tool.name, "args": arguments, "id": "1", "type": "tool_call"})


@pytest.fixture
def by_name(opened):
    talk = opened(user="mia")
    return talk, {tool.name: tool for tool in tools(talk.session)}


def test_every_deed_is_a_tool_with_its_arguments(by_name):
    _, named = by_name
    assert set(named) == {
        "reduce", "keep", "allow", "adjust", "restore", "tone", "auto", "undo", "redo", "reset",
        "accept", "remember", "forget", "show", "explain", "save",
    }  # fmt: skip
    for tool in named.values():
        told = convert_to_openai_tool(tool)["function"]
        assert told["description"]
        assert "do" not in told["parameters"]["properties"]
    needed = convert_to_openai_tool(named["reduce"])["function"]["parameters"]["required"]
    assert sorted(needed) == ["strength", "what"]


def test_calls_change_the_photo_and_answer_with_reply_and_report(by_name):
    talk, named = by_name
    answer = call(named["reduce"], what="wrinkles", strength=0.4)
    assert talk.strength("wrinkles", "nose") == 0.4
    assert "40% weaker" in answer.content
    assert answer.artifact["edits"][0]["what"] == "wrinkles"
    call(named["undo"])
    assert talk.strength("wrinkles", "nose") == 0


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [("reduce", {"what": "hats", "strength": 1}, "what"),
     ("reduce", {"what": "acne", "strength": 2}, "strength"),
     ("show", {}, "view"), ("undo", {"steps": 1, "far": 3}, "far")],
)  # fmt: skip
def test_a_wrong_call_is_answered_with_what_is_wrong(by_name, name, arguments, told):
    talk, named = by_name
    answer = call(named[name], **arguments)
    assert answer.content.startswith("Not possible: ") and told in answer.content
    assert "\n" not in answer.content
    assert talk.session.reports == []
