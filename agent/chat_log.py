"""Chats that are stored, where the user wants it: words alone, without the names of files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agent.turn import Chat

if TYPE_CHECKING:
    from agent.session import Reply


def keep_chat(chat: Chat, text: str, reply: Reply) -> None:
    """Store a message and its answer; not one that asks to forget, nor any file's name."""
    forgets = any(command.do == "forget" for command in reply.report.commands)
    if chat.user is None or forgets or chat.memory.paused(chat.user):
        return
    from langchain_core.messages import AIMessage, HumanMessage

    from memory.history import ChatHistory

    answer = reply.text.replace(str(reply.saved), "a file") if reply.saved else reply.text
    ChatHistory(chat.memory.store, chat.user, chat.visit).add_messages(
        [HumanMessage(_nameless(text)), AIMessage(_nameless(answer))]
    )


def _nameless(text: str) -> str:
    """The text without anything that ends like the name of a photo."""
    return re.sub(r"\S+\.(jpe?g|png|webp|tiff?|hei[cf])\b", "a file", text, flags=re.IGNORECASE)
