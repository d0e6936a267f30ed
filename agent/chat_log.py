"""Chats that are stored, where the user wants it: words alone, without the names of files."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from agent.turn import Chat
from agent.words import sentence
from memory.store import StoreError

if TYPE_CHECKING:
    from agent.outcome import Reply


# A name in quotation marks may hold spaces; without them it ends at the first.
_NAME = re.compile(
    r"""(["“'])[^"”'\n]*\.{ending}\b["”']|\S+\.{ending}\b""".replace(
        "{ending}", "(?:jpe?g|png|webp|tiff?|hei[cf]f?|avif|bmp|gif|dng|cr[23]|nef|arw|raf|psd|ora)"
    ),
    re.IGNORECASE,
)


def keep_chat(chat: Chat, text: str, reply: Reply) -> str | None:
    """Store a message and its answer; not one that asks to forget, nor any file's name.

    Returns what is wrong, as a sentence, where the memory cannot be written.
    """
    forgets = any(command.do == "forget" for command in reply.report.commands)
    if chat.user is None or forgets or chat.memory.paused(chat.user):
        return None
    from langchain_core.messages import AIMessage, HumanMessage

    from memory.history import ChatHistory

    paths = [path for path in (chat.desk.photo.path, chat.output, reply.saved) if path is not None]
    said, answer = (_nameless(one, paths) for one in (text, reply.text))
    try:
        ChatHistory(chat.memory.store, chat.user, chat.visit).add_messages(
            [HumanMessage(said), AIMessage(answer)]
        )
    except StoreError as error:
        return sentence(f"this message is not stored: {error}")
    return None


def _nameless(text: str, paths: Iterable[Path]) -> str:
    """The text without the names of these files, nor anything else that ends like a photo's."""
    names = {name for path in paths for name in (str(path), str(path.resolve()), path.name)}
    for name in sorted(names, key=len, reverse=True):
        text = re.sub(re.escape(name), "a file", text, flags=re.IGNORECASE)
    return _NAME.sub("a file", text)
