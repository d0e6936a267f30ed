"""What the user marks in the photo itself: it has a place, but no name, and is filled whole."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from agent.notes import Note
from agent.state import Filled
from agent.turn import Chat, Deeds

if TYPE_CHECKING:
    from vision.marked import Mask


def mark(chat: Chat, marked: Mask) -> Deeds:
    """Fill what a mask of the photo, (H, W), marks on any face; the chat's history moves along."""
    if not chat.desk.faces:
        return Deeds([Note("no_face")])
    shared = chat.desk.studio.share_out(chat.desk.analysis, marked)
    if not shared.fills:
        return Deeds([Note("off_face")])
    present = chat.history.present
    known = {filled.fill for filled in present.fills}
    fresh = [Filled(fill, present.last + 1) for fill in shared.fills if fill not in known]
    chat.history = chat.history.then(replace(present, fills=(*present.fills, *fresh)))
    return Deeds([Note("partly_off")] if shared.left else [])
