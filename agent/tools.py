"""The agent's commands as langchain tools, for any model that calls tools.

    model.bind_tools(tools(agent.open("portrait.jpg", user="mia")))

Each tool is one command of the contract (commands.md): its arguments are the command's fields, its
answer is the reply in words, its artifact the turn's report. A call that breaks the contract is
answered with one line that says why, so that a model can put it right.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, get_args

from langchain_core.tools import BaseTool, StructuredTool
from pydantic import ValidationError

from agent.session import Session
from llm import commands
from llm.commands import Turn
from vision.errors import FreckleError

# Words without a deed: a model says them itself.
_WORDS = {"chat", "help", "unsupported"}
_PURPOSES = {
    "undo": "Take back the last change, or several.",
    "redo": "Do again what was undone.",
    "reset": "Go back to the untouched photo.",
    "accept": "The user is happy: learn what they like from the present result.",
    "remember": "Store the present result as this user's preference, said outright.",
    "forget": "Delete what is remembered about this user: one kind, or everything.",
    "show": "Look at the photo before, after, side by side, or at the mask. Changes nothing.",
    "explain": "Say what was changed in this photo, and why.",
    "save": "Write the present result to its file.",
}


def tools(session: Session) -> list[BaseTool]:
    """One tool for each command, all on one conversation about one photo."""
    union = get_args(get_args(commands.Command)[0])
    return [_tool(session, command) for command in union if _name(command) not in _WORDS]


def _name(command: type) -> str:
    return command.model_fields["do"].default  # type: ignore[attr-defined]


def _tool(session: Session, command: type) -> BaseTool:
    name = _name(command)
    return StructuredTool(
        name=name,
        description=_PURPOSES.get(name) or str(command.__doc__),
        args_schema=_fields(command),
        func=_calling(session, name),
        response_format="content_and_artifact",
    )


def _calling(session: Session, name: str) -> Callable[..., tuple[str, dict[str, Any]]]:
    def call(**fields: Any) -> tuple[str, dict[str, Any]]:
        try:
            turn = Turn.model_validate({"commands": [{"do": name, **fields}]})
            reply = session.perform(turn)
        except ValidationError as error:
            first = error.errors()[0]
            spot = ".".join(str(part) for part in first["loc"][3:]) or name
            return f"Not possible: {spot}: {first['msg']}", {}
        except FreckleError as error:
            return f"Not possible: {error}", {}
        return reply.text, reply.report.to_json()

    return call


def _fields(command: type) -> dict[str, Any]:
    """The JSON schema of a command without the field that names it."""
    schema = json.loads(json.dumps(command.model_json_schema()))  # type: ignore[attr-defined]
    schema["properties"].pop("do")
    schema.pop("description", None)
    if "where" in schema.get("required", []):
        schema["required"].remove("where")  # it has a default by kind
    return schema
