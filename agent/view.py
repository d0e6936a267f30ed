"""What a front end may look at in a conversation: the photo as it was and is, what is found and in
force, the steps so far."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from agent.history import History
from agent.lessons import standing_keeps
from agent.overview import Finding, Proposal, findings, proposals, steps
from agent.state import Conversation

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    from agent.turn import Chat
    from vision.photo import Photo
    from vision.pipeline import Analysis
    from vision.spots import Spot
    from vision.vocabulary import Kind


class View:
    """The part of a session that changes nothing but the face in focus."""

    def __init__(self, chat: Chat) -> None:
        self._chat = chat
        self._met = False
        self._lock = threading.RLock()

    @property
    def photo(self) -> Photo:
        """The untouched photo."""
        return self._chat.desk.photo

    @property
    def result(self) -> Photo:
        """The photo as it is now."""
        with self._lock:
            return self._chat.result().photo

    @property
    def image(self) -> Image.Image:
        """The photo as it is now, at full size, 8-bit sRGB."""
        return self.result.to_pil()

    @property
    def conversation(self) -> Conversation:
        """All edits, keeps, marked areas and tones in force."""
        return self._chat.history.present

    @property
    def analysis(self) -> Analysis:
        return self._chat.desk.analysis

    @property
    def unsaved(self) -> bool:
        """Whether the result is not what was saved last, or is changed and was never saved."""
        with self._lock:
            if self._chat.saved is not None:
                return self._chat.plan != self._chat.saved
            return bool((self._chat.result().photo.pixels != self.photo.pixels).any())

    @property
    def can_undo(self) -> bool:
        return self._chat.history.at > 0

    @property
    def can_redo(self) -> bool:
        return self._chat.history.at + 1 < len(self._chat.history.states)

    @property
    def focus(self) -> tuple[int, ...]:
        """The faces, from 0 on the left, that are meant when none is named."""
        with self._lock:
            return self._chat.in_focus

    def look_at(self, face: int) -> None:
        """Put a face, from 0 on the left, in focus; raises IndexError where there is none."""
        with self._lock:
            if not 0 <= face < len(self._chat.desk.faces):
                raise IndexError(f"there is no face {face}")
            self._chat.focus = (face,)

    def findings(self) -> tuple[Finding, ...]:
        """What is found on the faces in focus, and what is in force of it."""
        with self._lock:
            self._meet()
            return findings(self._chat)

    def proposals(self) -> tuple[Proposal, ...]:
        """What is in force because memory brought it."""
        with self._lock:
            self._meet()
            return proposals(self._chat)

    def spread(self, kind: Kind) -> NDArray[np.bool_]:
        """(H, W), true where the faces in focus show a kind."""
        import numpy as np

        with self._lock:
            chat, shown = self._chat, np.zeros((self.photo.height, self.photo.width), bool)
            for face in chat.in_focus:
                shown |= chat.desk.studio.spread(chat.desk.analysis, kind, face)
            return shown

    def spot_at(self, x: float, y: float) -> Spot | None:
        """The mark at a point of the upright photo, None where nothing is found."""
        with self._lock:
            return self._chat.desk.studio.spot_at(self._chat.desk.analysis, x, y)

    @property
    def steps(self) -> tuple[str, ...]:
        """A line on every state so far, `at` is the present one; `go_to` walks there."""
        return steps(self._chat)

    @property
    def at(self) -> int:
        return self._chat.history.at

    def _meet(self) -> None:
        """Before the first turn: what memory keeps on every photo is kept on this one."""
        if not self._met:
            scene = self._chat.scene()
            start = Conversation(keeps=standing_keeps(scene.usual, scene))
            self._chat.history = History((start,))
            self._met = True
