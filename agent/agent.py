"""What all conversations of a process share: models and memory."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from agent.desk import Desk
from agent.history import History
from agent.session import Session, default_output
from agent.state import Conversation
from agent.studio import LocalStudio, Studio
from agent.turn import Chat
from llm.parser import Parser, load_parser
from memory.preferences import Preferences
from vision.settings import Settings


class RetouchAgent:
    """Models and memory, shared by all sessions of a process."""

    def __init__(
        self, parser: Parser | None, memory: Preferences, studio: Studio, settings: Settings
    ) -> None:
        self._parser = parser
        self._lock = threading.Lock()
        self.memory = memory
        self.studio = studio
        self.settings = settings

    @classmethod
    def load(
        cls,
        parser: Parser | None = None,
        memory: Preferences | None = None,
        settings: Settings | None = None,
        studio: Studio | None = None,
    ) -> RetouchAgent:
        """An agent with the embedded models, or with others. Models load when first used.

        Without a `parser` it is the one that `settings.model` names.
        """
        settings = settings or Settings()
        memory = memory or Preferences.load(settings)
        return cls(parser, memory, studio or LocalStudio(settings), settings)

    @property
    def parser(self) -> Parser:
        """The parser, loaded once however many sessions ask for it at the same time."""
        with self._lock:
            if self._parser is None:
                self._parser = load_parser(self.settings)
            return self._parser

    def open(
        self,
        source: Any,
        user: str | None = None,
        *,
        ask: bool = True,
        save_to: str | Path | None = None,
    ) -> Session:
        """A conversation about one photo: a path, bytes, a PIL image or an (H, W, 3) array.

        Without `ask` (one-shot calls) nobody is there to answer: where several faces fit, the
        largest is taken. `save_to` is where "save it" writes, by default
        `PHOTO.retouched.EXT` beside the photo. Raises `FreckleError` for a photo or a memory that
        cannot be read.
        """
        photo = self.studio.load(source)
        output = Path(save_to) if save_to is not None else None
        if output is None and photo.path is not None:
            output = default_output(photo.path)
        self.memory.recall(user)  # a memory that cannot be read is told before any work
        desk = Desk(photo, self.studio, self.settings.scene_clip)
        chat = Chat(desk, self.memory, user, output, History((Conversation(),)), attended=ask)
        return Session(self, chat, ask)
