"""What the user marks in the photo itself: it has a place, but no name; it is filled, or kept."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from agent.notes import Note, Topic
from agent.report import MARKED_AREA
from agent.state import Filled, Held
from agent.turn import Chat, Deeds
from vision.plan import Fill, Keep

if TYPE_CHECKING:
    from vision.marked import Mask
    from vision.vocabulary import Kind

# What `_on_faces` notes, where it is to be kept.
_UNKEPT: dict[Topic, Topic] = {
    "no_face": "no_face", "off_face": "kept_off_face", "partly_off": "kept_partly"
}  # fmt: skip


def mark(chat: Chat, marked: Mask, what: Kind | None = None) -> Deeds:
    """Fill what a mask of the photo, (H, W), marks on any face, a mark of the kind `what` if that
    is known; the chat's history moves along."""
    parts, notes = _on_faces(chat, marked)
    fills = [replace(part, what=what) for part in parts]
    present = chat.history.present
    known = {filled.fill for filled in present.fills}
    fresh = [Filled(fill, present.last + 1) for fill in fills if fill not in known]
    chat.history = chat.history.then(replace(present, fills=(*present.fills, *fresh)))
    return Deeds(notes)


def hold(chat: Chat, marked: Mask) -> Deeds:
    """Keep what a mask marks on any face: whatever is done, there it is not. Keeps are of faces, so
    the light and colour of what lies on none may still change."""
    parts, notes = _on_faces(chat, marked)
    notes = [replace(note, topic=_UNKEPT[note.topic]) for note in notes]
    present = chat.history.present
    keeps = [
        Keep("everything", (), part.face, phrase=MARKED_AREA, mask=part.mask) for part in parts
    ]
    known = {held.keep for held in present.keeps}
    fresh = [Held(keep) for keep in keeps if keep not in known]
    chat.history = chat.history.then(replace(present, keeps=(*present.keeps, *fresh)))
    return Deeds(notes)


def _on_faces(chat: Chat, marked: Mask) -> tuple[tuple[Fill, ...], list[Note]]:
    """The parts of a mask that lie on faces, and what to say of the rest."""
    if not chat.desk.faces:
        return (), [Note("no_face")]
    shared = chat.desk.studio.share_out(chat.desk.analysis, marked)
    if not shared.fills:
        return (), [Note("off_face")]
    return shared.fills, [Note("partly_off")] if shared.left else []
