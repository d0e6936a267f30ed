"""What a chat model is told, and what it may answer: the contract as instructions and JSON schema.

A model that was tuned on the corpus (`freckle train language --base`) knows the contract and is
told the state and the message alone; every other model gets `instructions.md` before them.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any, get_args

from llm.commands import Command, State, Turn

# In the folder of a model or adapter that was tuned on the corpus: how that was done.
TUNED = "freckle.json"
INSTRUCTIONS = Path(__file__).with_name("instructions.md")
# For tokenizers that have no chat template of their own: plain words, so that any vocabulary does.
TEMPLATE = (
    "{{ bos_token or '' }}{% for message in messages %}[{{ message['role'] }}]\n"
    "{{ message['content'] }}\n{% endfor %}{% if add_generation_prompt %}[assistant]\n{% endif %}"
)
MAX_COMMANDS = 10
MAX_PHRASE = 100  # characters
# The order in which fields are written: a model should settle what before it says how much.
FIELDS = (
    "do", "what", "attribute", "view", "where", "side", "who", "strength", "delta", "amount",
    "steps", "phrase", "always",
)  # fmt: skip
# Bounds that the contract does not need, but without which an untrained model would never end.
_BOUNDS: dict[str, dict[str, Any]] = {
    "phrase": {"minLength": 1, "maxLength": MAX_PHRASE},
    "where": {"maxItems": 6},
    "steps": {"maximum": 10},
}
_MAX_FACES = 9
# What a JSON string would need an escape for, which the schema's bounded strings do not know.
_ESCAPED = re.compile(r'["\\\x00-\x1f]+')


def conversation(text: str, state: State | None, *, instructed: bool) -> list[dict[str, str]]:
    """The messages ({"role", "content"}) that ask what `text` means; `instructed` asks a model
    that has learnt the contract."""
    asked = f"message: {text}"
    if state is not None and state != State():
        asked = f"state: {json.dumps(state.to_json())}\n{asked}"
    user = {"role": "user", "content": asked}
    if instructed:
        return [user]
    return [{"role": "system", "content": INSTRUCTIONS.read_text(encoding="utf-8")}, user]


def answer(turn: Turn) -> str:
    """A turn as a model is to write it: what `turn_schema` allows, fields in their order."""
    commands = []
    for command in turn.to_json()["commands"]:
        ordered = {name: command[name] for name in FIELDS if name in command}
        if "phrase" in ordered:
            ordered["phrase"] = _ESCAPED.sub(" ", ordered["phrase"])[:MAX_PHRASE]
        commands.append(ordered)
    return json.dumps({"commands": commands}, ensure_ascii=False)


@cache
def turn_schema() -> dict[str, Any]:
    """JSON schema of the answers that are valid turns, with every string and list bounded.

    Narrower than `Turn` alone: `chat` stands alone, fields that say nothing are left out.
    """
    commands = {kind.model_fields["do"].default: _schema(kind) for kind in _kinds()}
    chat = commands.pop("chat")
    several = {"type": "array", "items": {"anyOf": list(commands.values())}}
    return {
        "title": "Turn",
        "description": "What one message asks for, in the user's order.",
        "type": "object",
        "properties": {
            "commands": {
                "anyOf": [
                    {**several, "minItems": 1, "maxItems": MAX_COMMANDS},
                    {"type": "array", "items": chat, "minItems": 1, "maxItems": 1},
                ]
            }
        },
        "required": ["commands"],
        "additionalProperties": False,
    }


def _kinds() -> tuple[Any, ...]:
    """The command classes."""
    return get_args(get_args(Command)[0])


def _schema(kind: Any) -> dict[str, Any]:
    """JSON schema of one command."""
    fields, given = kind.model_fields, kind.model_json_schema()["properties"]
    names = [name for name in FIELDS if name in fields]
    return {
        "type": "object",
        "properties": {name: _field(name, given[name]) for name in names},
        "required": [name for name in names if name == "do" or fields[name].is_required()],
        "additionalProperties": False,
    }


def _field(name: str, given: dict[str, Any]) -> dict[str, Any]:
    """JSON schema of one field, bounded, without null: a field that says nothing is left out."""
    options = [one for one in given.get("anyOf", [given]) if one != {"type": "null"}]
    options = [
        {key: value for key, value in one.items() if key not in ("title", "default")}
        | _BOUNDS.get(name, {})
        | ({"maximum": _MAX_FACES} if name == "who" and one["type"] == "integer" else {})
        for one in options
    ]
    return options[0] if len(options) == 1 else {"anyOf": options}


def render(tokenizer: Any, messages: list[dict[str, str]]) -> str:
    """The text that a causal model is to continue, by the chat template of its tokenizer.

    Special tokens are in it. A template that knows no system role finds its content at the head of
    the first user message.
    """
    from jinja2 import TemplateError

    def text(given: list[dict[str, str]]) -> str:
        return tokenizer.apply_chat_template(
            given,
            chat_template=tokenizer.chat_template or TEMPLATE,
            tokenize=False,
            add_generation_prompt=True,
            enable_thinking=False,  # known to templates of models that think aloud
        )

    try:
        return text(messages)
    except TemplateError:
        if [one["role"] for one in messages[:2]] != ["system", "user"]:
            raise
        system, user, *rest = messages
        return text([{**user, "content": f"{system['content']}\n\n{user['content']}"}, *rest])
