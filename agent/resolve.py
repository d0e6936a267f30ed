"""Commands x conversation x memory -> the next conversation. Pure: no pixels, no words.

How wishes meet: a keep beats every edit whenever it was said; naming a kept kind later lifts its
keep for this photo; within one message the more specific wins. Whatever cannot be done, or deserves
a word, becomes a `Note` for the reply.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

from agent.draft import Draft
from agent.notes import Note
from agent.scene import Scene
from agent.state import (
    Conversation,
    Filled,
    Held,
    Made,
    Toned,
    binds,
    latest,
    lay,
    same_kind,
    tidy,
)
from agent.toning import add_tone, change_tones, lit, set_tone, usual_tones
from agent.usual import of_auto, of_plain_words
from agent.wishes import Wish, in_force_order, in_range, name, own_words
from llm.commands import Adjust, Allow, Auto, Keep, Reduce, Restore, Tone
from vision import plan
from vision.places import Spot, inside, meet, narrower, shared_place, widest
from vision.vocabulary import (
    FACELESS,
    LEARNT_KINDS,
    PERMANENT_KINDS,
    Region,
    default_region,
    expand_kind,
)


def resolve(
    before: Conversation,
    wishes: Sequence[Wish],
    scene: Scene,
    focus: Sequence[tuple[int, ...]] = (),
) -> tuple[Conversation, tuple[Note, ...]]:
    """The conversation after these wishes of one message, and what to say about them.

    `focus` has for each wish the faces that it means where it names none, if that differs from the
    scene's. Where nothing is different, it is `before` itself.
    """
    draft = _Granted(before, scene)
    for serial, wish in in_force_order(wishes, before.last):
        if focus:
            draft.scene = replace(scene, focus=focus[serial - before.last - 1])
        draft.obey(wish, serial)
    after = Conversation(
        tuple(tidy(draft.edits, draft.keeps)),
        tuple(draft.keeps),
        tuple(draft.fills),
        tuple(draft.tones),
    )
    same = _without_serials(after) == _without_serials(before)
    return before if same else after, tuple(dict.fromkeys(draft.notes))


def _without_serials(one: Conversation) -> tuple:
    edits = tuple(made.edit for made in one.edits)
    return edits, tuple(toned.tone for toned in one.tones), one.keeps, one.fills


class _Granted(Draft):
    """A draft that obeys wishes."""

    def obey(self, wish: Wish, serial: int) -> None:
        self.serial = serial
        match wish:
            case Keep():
                self._keep(wish)
            case Reduce():
                self._reduce(wish)
            case Allow():
                self._allow(wish)
            case Adjust():
                self._feedback(wish, lambda strength: strength + wish.delta)
            case Restore():
                self._feedback(wish, lambda strength: 0.0)
            case Auto():
                self._auto(wish)
            case Tone():
                self._tone(wish)

    # -- reduce ---------------------------------------------------------------------------------

    def _reduce(self, wish: Reduce) -> None:
        if wish.what == "other" and not wish.phrase:  # "make it 50%": what the last such edit named
            named = [made.edit.phrase for made in self.edits if made.edit.what == "other"]
            wish = wish.model_copy(update={"phrase": named[-1] if named else None})
        faces = self._faces(wish.who, self.scene.focus)
        kinds = self._learnt(wish.what, wish.phrase, faces, "not_learnt")
        where = tuple(wish.where)
        asked = [
            plan.Edit(kind, where, wish.strength, face, wish.side, own_words(kind, wish.phrase))
            for face in faces
            for kind in kinds
        ]
        there = [edit for edit in asked if self.scene.found(edit) > 0]
        if asked and not there:
            self._note("not_found", name(asked[0], wish.what), where)
        for edit in there:
            if edit.strength == 0 or self._may(edit, wish.who, wish.what):
                self._lay_usual(edit, wish)
                if edit.what == wish.what:  # "blemishes" overrule no keep
                    self._open_keeps(self.edits[-1].edit)

    def _open_keeps(self, edit: plan.Edit) -> None:
        for part in self._inside_keeps(edit):
            if self.scene.found(part) > 0:
                self._lay(part, part.what)

    def _lay_usual(self, edit: plan.Edit, wish: Reduce) -> None:
        """Lay an edit, as strong as usual where the words leave that open ("no, the other cheek" is
        as strong as it was)."""
        free = self.scene.plain and edit.what not in self.given_back
        usual = of_plain_words(wish, edit, self.scene.usual) if free else None
        if usual is None or usual.strength is None:
            self._lay(edit, wish.what)
            return
        self._lay(replace(edit, strength=usual.strength), wish.what, usual.reason)
        self._note("usual", edit.what, edit.where, usual.reason, usual.strength)

    # -- keep, allow ----------------------------------------------------------------------------

    def _keep(self, wish: Keep) -> None:
        faces = self._faces(wish.who, self._everyone)
        where = tuple(wish.where)
        crowd = wish.who in (None, "everyone")
        singled = not crowd and len(self._everyone) > 1
        if wish.what == "everything":
            self.spared |= set() if crowd else set(faces)
            for face in faces:
                keep = plan.Keep("everything", where, face, wish.side)
                self._guard(Held(keep, singled=singled))
            return
        known = self._learnt(wish.what, wish.phrase, faces, "cannot_guard")
        shown = False
        for face in faces:
            for kind in expand_kind(wish.what):
                words = own_words(kind, wish.phrase)
                keep = plan.Keep(kind, where, face, wish.side, words)
                self._guard(held := Held(keep, guarded=kind in known, singled=singled))
                self.crowds += [held] * crowd
                edit = plan.Edit(kind, where, 1.0, face, wish.side, words)
                shown |= kind in known and self.scene.found(edit) > 0
        if known and not shown:
            self._note("none_to_keep", own_words(wish.what, wish.phrase) or wish.what, where)

    def _guard(self, held: Held) -> None:
        """A keep said now: what it covers goes back to the original, narrower edits too."""
        self._hold(held)
        self.edits = [made for made in self.edits if not binds(held.keep, made.edit)]

    def _allow(self, wish: Allow) -> None:
        kinds = LEARNT_KINDS if wish.what == "everything" else expand_kind(wish.what)
        touched = False
        for face in self._faces(wish.who, self._everyone):
            spot = self._spoken(wish, face)
            anywhere = Spot((default_region(wish.what),), None, face)
            older = [held for held in self.keeps if held not in self.fresh]
            for held in [held for held in older if held.keep.face == face]:
                named = wish.what == "everything" or held.keep.what in (*kinds, "everything")
                named &= wish.what == "everything" or held.keep.mask is None
                if not named or (spot and not meet(held.keep, spot)):
                    continue
                whole = held.keep.what == "everything" != wish.what
                if whole and narrower(held.keep, spot or anywhere):
                    continue  # a place that is kept whole is more specific than a kind anywhere
                touched = True
                if spot and not inside(spot, held.keep):
                    self._give_way(held, spot, kinds if whole else None)
                    if held in self.keeps:
                        self._note("too_narrow", wish.what, spot.where)
                elif whole:
                    self._release(held, kinds)
                else:
                    self.keeps.remove(held)
        if not touched:
            self._note("not_kept", wish.what, wish.where)

    # -- tone -----------------------------------------------------------------------------------

    def _tone(self, wish: Tone) -> None:
        faces: tuple[int, ...] = ()
        if set(wish.where) - set(FACELESS):
            faces = self._faces(wish.who, self.scene.focus)
        for region in lit(wish.where):
            for face in (None,) if region in FACELESS else faces:
                tone = plan.Tone(wish.attribute, region, wish.amount, face, wish.side)
                if not self._light_may(tone, wish.who):
                    self._note("tone_kept", wish.attribute, (region,))
                    continue
                before, self.tones = self.tones, add_tone(self.tones, tone, self.serial)
                if self.tones == before:
                    self._note("at_limit", wish.attribute, (region,))

    # -- feedback -------------------------------------------------------------------------------

    def _feedback(self, wish: Adjust | Restore, change: Callable[[float], float]) -> None:
        meant, fills, tones = self._meant(wish)
        if self._taken(wish, meant, fills, tones):
            return
        if isinstance(wish, Restore):
            self.given_back |= {made.edit.what for made in meant}
            self.fills = [filled for filled in self.fills if filled not in fills]
        elif fills:
            self._note("whole")
        if not (meant or fills or tones):
            self._feedback_on_nothing(wish)
            return
        if not (meant or tones):
            return
        before, noted = self._amounts(), len(self.notes)
        focus = next(iter(self.scene.focus), 0)
        self.tones = change_tones(self.tones, tones, self._spoken(wish, focus), change, self.serial)
        if self._spoken(wish, 0) is None:
            # What was put back at a place within stays so, unless that was the last word.
            changed = [made for made in meant if made.edit.strength > 0]
            for made in changed or meant:
                self._set(made, change)
        else:
            things: dict[tuple, list[Made]] = {}
            for made in meant:
                named = plan.bare(made.edit.phrase), made.edit.what, made.edit.face
                things.setdefault(named, []).append(made)
            for some in things.values():
                for where in self._places(wish, some):
                    spot = replace(some[-1].edit, where=where, side=wish.side)
                    self._feedback_at(replace(some[-1], edit=spot), change)
        same = self._amounts() == before
        if same and not fills and len(self.notes) == noted:
            self._note("at_limit", wish.what, wish.where)

    def _amounts(self) -> tuple[list[plan.Edit], list[plan.Tone]]:
        return [made.edit for made in tidy(self.edits)], [toned.tone for toned in self.tones]

    def _meant(self, wish: Adjust | Restore) -> tuple[list[Made], list[Filled], list[Toned]]:
        """The edits and tones that feedback is about, wherever they are; unless a place was said,
        the marked areas, too: they have no named place."""
        faces = self._faces(wish.who, self._everyone)
        edits = [made for made in self.edits if made.edit.face in faces]
        anywhere = faces if self._spoken(wish, 0) is None else ()
        fills = [filled for filled in self.fills if filled.fill.face in anywhere]
        tones = [toned for toned in self.tones if toned.tone.face in (None, *faces)]
        if wish.what == "everything":
            return edits, fills, tones
        if wish.what == "last":
            return latest(edits, fills, tones)
        return [made for made in edits if made.edit.what in expand_kind(wish.what)], [], []

    def _taken(
        self, wish: Adjust | Restore, meant: list[Made], fills: list[Filled], tones: list[Toned]
    ) -> bool:
        """Whether what was made last is gone already, by a keep of this very message: feedback on
        it is about nothing older."""
        if wish.what != "last" or not self.fresh:
            return False
        left = [one.serial for one in meant] + [one.serial for one in fills]
        present = max(left + [one.serial for one in tones], default=0)
        faces = self._faces(wish.who, self._everyone)
        gone = [made.serial for made in self.before.edits if made.edit.face in faces]
        return present < max(gone, default=0)

    def _feedback_on_nothing(self, wish: Adjust | Restore) -> None:
        if isinstance(wish, Adjust) and wish.delta > 0 and wish.what not in ("last", "everything"):
            asked = wish.model_dump(exclude={"do", "delta"})
            self._reduce(Reduce(**asked, strength=wish.delta))
        elif not any(held.keep.what == wish.what for held in self.fresh):  # which took it back
            self._note("nothing_done", wish.what, wish.where)

    def _set(self, made: Made, change: Callable[[float], float]) -> None:
        """Change an edit where it stands: one of strength 0 still hides a wider one below it."""
        edit = replace(made.edit, strength=in_range(change(made.edit.strength)))
        said = replace(made, edit=edit, serial=self.serial, reason=None)
        self.edits[self.edits.index(made)] = said

    def _places(self, wish: Adjust | Restore, meant: Sequence[Made]) -> list[tuple[Region, ...]]:
        """The places that feedback names, each as regions: one by one where they were said, or all
        that the edits meant have."""
        spoken = self._spoken(wish, 0)
        if spoken is None or spoken.where:
            return [(region,) for region in widest(wish.where)]
        return [tuple(dict.fromkeys(region for made in meant for region in made.edit.where))]

    def _feedback_at(self, asked: Made, change: Callable[[float], float]) -> None:
        """Feedback at a spoken place (the place of `asked`): what edits have in common with it
        changes, by itself where they go beyond it; what nobody edited starts from 0."""
        spot = asked.edit
        mine = [made for made in self.edits if same_kind(made.edit, spot) and meet(made.edit, spot)]
        shown = False
        for made in mine or [replace(asked, edit=replace(spot, strength=0.0))]:
            where, side = shared_place(made.edit, spot)
            part = replace(made.edit, where=where, side=side)
            part = replace(part, strength=in_range(change(made.edit.strength)))
            if any(self._shut(held.keep, part, made in mine and made.edit) for held in self.keeps):
                self._note("stays", name(part), part.where)
                shown = True
            # What was found as a whole may show too little in a part; given back, it always is.
            elif self.scene.found(part) > 0 or (made in mine and part.strength == 0):
                self._lay(part, made.named)
                shown = True
        if not shown:
            self._note("not_found", name(spot), spot.where)

    @staticmethod
    def _shut(keep: plan.Keep, part: plan.Edit, of: plan.Edit | Literal[False]) -> bool:
        """Whether a part would overrule a keep that what it is a part `of`, if anything, does not:
        feedback names no kind to be touched, so a keep stays."""
        overruling = of and narrower(of, keep)
        return same_kind(keep, part) and narrower(part, keep) and not overruling

    # -- auto -----------------------------------------------------------------------------------

    def _auto(self, wish: Auto) -> None:
        # A permanent mark counts as named only by what was said outright of such photos: not by
        # what was once accepted, nor by what was said of others and is but weighed here.
        ruled = {
            usual.kind
            for usual in self.scene.usual
            if usual.polarity == "reduce" and usual.source == "explicit" and usual.confidence == 1.0
        }
        faces = self._faces(wish.who, self.scene.focus)
        done = False
        for face in faces:
            for kind in LEARNT_KINDS:
                outright = [
                    made
                    for made in self.edits
                    if (made.edit.what, made.edit.face) == (kind, face) and made.named != "auto"
                ]
                if kind in PERMANENT_KINDS and kind not in ruled:
                    whole = plan.Edit(kind, ("face",), 1.0, face)
                    if not outright and self.scene.found(whole) > 0:
                        self._hold(Held(plan.Keep(kind, ("face",), face), "policy"))
                    continue
                laid = False
                for edit, reason in of_auto(wish, kind, face, self.scene.usual):
                    kept = any(binds(held.keep, edit) for held in self.keeps)
                    said = any(inside(made.edit, edit) for made in outright)  # not left to taste
                    if kept or said or self.scene.found(edit) == 0:
                        continue
                    known = any(made.edit == edit for made in self.edits)
                    self._lay(edit, "auto", reason)
                    laid = True
                    done |= edit.strength > 0
                    if reason is not None and not known:
                        self._note("usual", kind, edit.where, reason, edit.strength)
                for made in outright if laid else ():  # they stay on top
                    self.edits = lay(self.edits, made)
                whole = plan.Edit(kind, ("face",), 1.0, face)
                mine = [made.edit for made in self.edits if same_kind(made.edit, whole)]
                if kind in PERMANENT_KINDS and not any(inside(edit, whole) for edit in mine):
                    self._hold(Held(plan.Keep(kind, ("face",), face), "policy"))  # all others stay
        proposals = usual_tones(wish, faces, self.scene.usual, self.tones, self.keeps)
        for tone, reason in list(proposals):
            if not any(toned.tone == tone for toned in self.tones):
                self._note("usual", tone.attribute, (tone.where,), reason, tone.amount)
            self.tones = set_tone(self.tones, Toned(tone, self.serial, reason, proposed=True))
            done = True
        if faces and not done:
            self._note("all_clear")
