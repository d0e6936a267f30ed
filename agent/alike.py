"""Marks that look alike: who asks for pimples may mean some that the detector takes for freckles.

Freckles stay unless they are named, so what was left is told, and the user decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from agent.notes import Note
from agent.scene import named_faces
from llm import commands as say
from vision.errors import NothingToDo
from vision.plan import Edit
from vision.vocabulary import Kind, expand_kind

if TYPE_CHECKING:
    from agent.turn import Chat

# Small flat marks of about one colour. Pimples taken for freckles were seen on photos (README,
# "Limits"); the other pairs differ as little to the eye.
ALIKE: dict[str, tuple[Kind, ...]] = {
    "acne": ("freckles", "dark_spots"),
    "dark_spots": ("freckles",),
    "freckles": ("dark_spots",),
    "blemishes": ("freckles",),
}
# A smaller share of the face is not worth a word.
WORTH_A_WORD = 0.003


def left_alike(chat: Chat, wishes: Iterable[object]) -> list[Note]:
    """A note for each kind of which there is more, where something like it was asked away, than of
    what was asked for; not where it is edited, too, or the user said to keep it."""
    present, notes = chat.history.present, []
    for wish in wishes:
        if not isinstance(wish, say.Reduce) or wish.strength == 0:
            continue
        faces = named_faces(wish.who, chat.desk.faces) if wish.who is not None else chat.in_focus
        for kind in ALIKE.get(wish.what, ()):
            edited = any(made.edit.what == kind for made in present.edits)
            kept = any(
                h.keep.what in (kind, "everything") for h in present.keeps if _said(h.origin)
            )
            asked = _found(chat, expand_kind(wish.what), wish, faces)
            if not (edited or kept) and _found(chat, (kind,), wish, faces) > max(
                asked, WORTH_A_WORD
            ):
                notes.append(Note("others_alike", kind, tuple(wish.where)))
    return list(dict.fromkeys(notes))


def _said(origin: str) -> bool:
    """Whether somebody wants a keep; permanent marks are kept by the house's own policy, too."""
    return origin != "policy"


def _found(chat: Chat, kinds: Sequence[Kind], wish: say.Reduce, faces: Sequence[int]) -> float:
    """The largest share of a face that one of some kinds covers at the wish's place."""
    most = 0.0
    for face in faces:
        for kind in kinds:
            try:
                edit = Edit(kind, tuple(wish.where), 1.0, face, wish.side)
                most = max(most, chat.desk.found(edit))
            except NothingToDo:  # a kind that cannot be recognised yet
                continue
    return most
