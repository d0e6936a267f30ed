"""The conversation while one message is being worked in, and what its keeps let be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from agent.notes import Note, Topic
from agent.scene import Scene, named_faces
from agent.state import Conversation, Held, Made, binds, lay, same_kind
from agent.toning import kept_whole, opened, same_place
from agent.wishes import own_words
from llm.commands import Adjust, Allow, Restore, Who
from vision import plan
from vision.places import Placed, Spot, inside, meet, narrower, shared_place
from vision.vocabulary import LEARNT_KINDS, Kind, Region, default_region, expand_kind


class Draft:
    """Lists that one message changes, and what there is to say about it."""

    def __init__(self, before: Conversation, scene: Scene) -> None:
        self.edits = list(before.edits)
        self.before = before
        self.keeps = list(before.keeps)
        self.fills = list(before.fills)
        self.tones = list(before.tones)
        self.scene = scene
        self.notes: list[Note] = []
        self.fresh: list[Held] = []  # keeps of this very message
        self.spared: set[int] = set()  # faces that this message wants left alone, by name
        self.crowds: list[Held] = []  # of the fresh ones, those that name no face
        self.given_back: set[Kind] = set()  # what this message restored
        self.serial = 0

    def _lay(
        self, edit: plan.Edit, named: Kind | Literal["auto"], reason: str | None = None
    ) -> None:
        self.edits = lay(self.edits, Made(edit, named, self.serial, reason))

    def _faces(self, who: Who | None, default: tuple[int, ...]) -> tuple[int, ...]:
        if who is None:
            return default
        faces = named_faces(who, self.scene.faces)
        if not faces:
            self._note("no_such_face", str(who))
        return faces

    @property
    def _everyone(self) -> tuple[int, ...]:
        return tuple(range(len(self.scene.faces)))

    def _learnt(
        self, what: Kind, phrase: str | None, faces: Sequence[int], otherwise: Topic
    ) -> list[Kind]:
        """The kinds meant that the detector knows; a note for each that it does not."""
        known = [kind for kind in expand_kind(what) if self.scene.knows(kind, phrase, faces)]
        for kind in expand_kind(what):
            if kind not in known:
                self._note(otherwise, own_words(kind, phrase) or kind)
        return known

    def _spoken(self, wish: Allow | Adjust | Restore, face: int) -> Spot | None:
        """The place that was said; None where it is only the default. Of feedback on whatever was
        done, a side alone is the side of where that is, wherever: then `where` is empty."""
        if wish.where != [default_region(wish.what)]:
            return Spot(tuple(wish.where), wish.side, face)
        if wish.side is None:
            return None
        anywhere = not isinstance(wish, Allow) and wish.what in ("last", "everything")
        return Spot(() if anywhere else tuple(wish.where), wish.side, face)

    def _note(
        self, topic: Topic, what: str = "", where: Sequence[Region] = (), reason: str | None = None,
        strength: float | None = None,
    ) -> None:  # fmt: skip
        self.notes.append(Note(topic, what, tuple(where), reason, strength))

    # -- what keeps let be ------------------------------------------------------------------------

    def _may(self, edit: plan.Edit, who: Who | None, named: Kind) -> bool:
        """Whether keeps let this edit be; older ones of what it names give way.

        "Everyone's acne, but leave the man on the left alone": a face that a keep names is more
        specific than everyone; so is one that the edit names. "Blemishes" names no kind: what is
        kept stays.
        """
        crowd = who in (None, "everyone")
        for held in [held for held in self.keeps if meet(held.keep, edit)]:
            if held.keep.what == "everything" and inside(held.keep, edit):
                if held in self.fresh and crowd and edit.face in self.spared:
                    return False
                if held not in self.fresh:
                    self._lifted(held, edit)
                self._release(held, (edit.what,))
            elif held in self.crowds and not crowd and self._overrules(held.keep, edit):
                self._give_way(held, edit)
            elif same_kind(held.keep, edit) and held in self.fresh:
                if inside(held.keep, edit) and not narrower(edit, held.keep):
                    self._note("stays", edit.what, edit.where)
                    return False
            elif same_kind(held.keep, edit) and narrower(held.keep, edit):
                self._note("stays", edit.what, held.keep.where, held.reason)
            elif same_kind(held.keep, edit) and named != edit.what and held.origin != "policy":
                self._note("stays", edit.what, held.keep.where, held.reason)
                if inside(held.keep, edit):
                    return False
            elif same_kind(held.keep, edit):
                self._lifted(held, edit)
                self._give_way(held, edit)
        return True

    @staticmethod
    def _overrules(keep: plan.Keep, edit: plan.Edit) -> bool:
        """Whether an edit of a named face is more specific than a keep of everyone's: not where
        the keep names a narrower place."""
        return same_kind(keep, edit) and not narrower(keep, edit)

    def _lifted(self, held: Held, edit: plan.Edit) -> None:
        if held.origin != "policy":
            self._note("lifted", edit.what, edit.where, held.reason)

    def _give_way(self, held: Held, place: Placed, kinds: Sequence[Kind] | None = None) -> None:
        """Take from a keep the regions that a place covers; an edit inside one wins there. With
        `kinds`, a keep of everything goes on there for all others."""
        at, where = self.keeps.index(held), held.keep.where
        covered = [r for r in where if inside(place, replace(held.keep, where=(r,)))]
        left = tuple(region for region in where if region not in covered)
        self.keeps[at : at + 1] = [replace(held, keep=replace(held.keep, where=left))] * bool(left)
        if kinds is not None and covered:
            there = replace(held, keep=replace(held.keep, where=tuple(covered)))
            self.keeps.insert(at, there)
            self._release(there, kinds)

    def _inside_keeps(self, edit: plan.Edit) -> list[plan.Edit]:
        """What an edit has in common with keeps of its kind that neither lies inside: named by
        itself, it is the narrower wish and wins over them. From keeps of this very message only
        what the edit names outright is taken."""
        across = [
            held
            for held in self.keeps
            if edit.strength and same_kind(held.keep, edit) and meet(held.keep, edit)
            and not inside(held.keep, edit) and not inside(edit, held.keep)
        ]  # fmt: skip
        shared = [held.keep for held in across if held not in self.fresh]
        places = [shared_place(edit, keep) for keep in shared]
        named = [replace(edit, where=(region,)) for region in edit.where]
        return [replace(edit, where=where, side=side) for where, side in places] + [
            part
            for part in named
            if any(narrower(part, held.keep) for held in across if held in self.fresh)
        ]

    def _release(self, everything: Held, kinds: Sequence[Kind]) -> None:
        """Turn a keep of everything into keeps of every kind but these."""
        at = self.keeps.index(everything)
        rest = [
            replace(everything, keep=replace(everything.keep, what=other, openings=()))
            for other in LEARNT_KINDS
            if other not in kinds
        ]
        self.keeps[at : at + 1] = [held for held in rest if held not in self.keeps]
        if everything in self.fresh:
            self.fresh += rest

    def _hold(self, new: Held) -> None:
        """Add a keep, unless one is there that says as much. One that was said stands beside wider
        ones: they may be lifted, and it stays."""
        if new.origin != "said":
            if not any(binds(held.keep, new.keep) for held in self.keeps):
                self.keeps.append(new)
            return
        same = [held for held in self.keeps if replace(held.keep, openings=()) == new.keep]
        known = [held for held in same if held.origin != "policy" and not held.keep.openings]
        if not known:
            self.keeps = [held for held in self.keeps if held not in same] + [new]
        elif not any(held in self.fresh for held in known):
            self._note("kept_already", new.keep.phrase or new.keep.what, new.keep.where)
        self.fresh += known or [new]

    def _light_may(self, tone: plan.Tone, who: Who | None) -> bool:
        """Whether keeps let this tone be; older ones give way at its place, and so do those of this
        message that are wider. (`_may` is the same of edits.)"""
        around = kept_whole(self.keeps, tone)
        for held in around:
            spared = who in (None, "everyone") and held.keep.face in self.spared
            if held in self.fresh and (same_place(held.keep, tone) or spared):
                return False
        for held in around:
            keep = opened(held.keep, tone)
            if keep == held.keep:
                continue
            if held not in self.fresh:
                self._note("tone_lifted", tone.attribute, (tone.where,), held.reason)
            new = [] if keep is None else [replace(held, keep=keep)]
            self.keeps[(at := self.keeps.index(held)) : at + 1] = new
            self.fresh += new if held in self.fresh else []
        return True
