"""What the resolver may know about photo and user, and who is meant by `who`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from llm.commands import Who
from memory.preferences import Preference
from vision.errors import NothingToDo
from vision.plan import Edit
from vision.vocabulary import LEARNT_KINDS, Kind, default_region

Box = tuple[float, float, float, float]
# The share of the face's area that shows an edit's kind at its place; raises `NothingToDo` for a
# kind that the detector was never taught.
Found = Callable[[Edit], float]
# The largest face is meant where nobody is named if it is this many times the next one's area.
CLEARLY_LARGER = 2.0


@dataclass(frozen=True)
class Scene:
    """Faces from the left, those in focus, what is found on them, what the user usually likes in
    such photos; `plain`: the message says how much of nothing, so that the usual is meant."""

    faces: tuple[Box, ...]
    focus: tuple[int, ...]
    found: Found
    usual: tuple[Preference, ...] = ()
    plain: bool = False

    def knows(self, kind: Kind, phrase: str | None, faces: Sequence[int]) -> bool:
        """Whether the detector can tell a kind, or what these words mean, from all else."""
        if kind != "other" or not phrase or not faces:
            return kind in LEARNT_KINDS
        try:
            self.found(Edit(kind, (default_region(kind),), 1.0, faces[0], None, phrase))
        except NothingToDo:
            return False
        return True


def by_size(faces: tuple[Box, ...]) -> list[int]:
    """The faces, largest first."""
    return sorted(range(len(faces)), key=lambda i: -faces[i][2] * faces[i][3])


def clearly_largest(faces: tuple[Box, ...]) -> int | None:
    """The face that dwarfs all others (or is alone), if there is one."""
    order = by_size(faces)
    areas = [faces[i][2] * faces[i][3] for i in order]
    alone = len(areas) == 1 or (len(areas) > 1 and areas[0] >= CLEARLY_LARGER * areas[1])
    return order[0] if alone else None


def named_faces(who: Who, faces: tuple[Box, ...]) -> tuple[int, ...]:
    """The faces that `who` names, from the left; empty where there is no such face."""
    everyone = tuple(range(len(faces)))
    if not everyone or who == "everyone":
        return everyone
    if isinstance(who, int):
        return everyone[who - 1 : who]
    by_name = {
        "photo_left": everyone[0],
        "photo_right": everyone[-1],
        "middle": everyone[(len(everyone) - 1) // 2],
        "largest": by_size(faces)[0],
        "smallest": by_size(faces)[-1],
    }
    return (by_name[who],)
