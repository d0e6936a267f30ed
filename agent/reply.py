"""The reply to one turn, written from what was measured, never from what was wished."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from agent.note_words import note_texts
from agent.notes import Note
from agent.rethink import missed
from agent.state import Conversation, Filled, Held, Made, Toned, same_kind
from agent.tone_words import tone_changes, tone_listing
from agent.words import are, listed, noun, percent, place, plain, sentence, were
from vision.places import inside
from vision.plan import Edit
from vision.vocabulary import Region

if TYPE_CHECKING:
    from vision.measure import EditMeasure, FillMeasure, KeepMeasure, ToneMeasure

# A reduction below this is said to be hardly any.
NOTICEABLE = 0.02
# From this reduction on, what was found is no longer found: not the same as gone to every eye.
GONE = 0.98
# Below this likeness to themselves the reply warns (`vision.identity`). Chosen by eye: with all
# kinds asked away four photos kept 0.95 and more, a face whose eyes are covered has less than this.
ALIKE = 0.8


@dataclass(frozen=True)
class Told:
    """All that a reply is written from: the turn's states, its measurements, its notes."""

    before: Conversation
    after: Conversation
    edits: Sequence[tuple[Made, EditMeasure]]
    kept: Sequence[tuple[Held, KeepMeasure]]
    notes: Sequence[Note]
    changed: bool
    several_faces: bool
    fills: Sequence[tuple[Filled, FillMeasure]] = ()
    tones: Sequence[tuple[Toned, ToneMeasure]] = ()
    identity: Mapping[int, float] = field(default_factory=dict)


def write(told: Told) -> str:
    """One or two sentences, more only where more has to be said."""
    topics = {note.topic for note in told.notes}
    opening = [_STEPS[topic] for topic in ("undone", "redone") if topic in topics]
    if "reset" in topics:
        # What was wished for after it is told as on a photo just opened.
        told = replace(told, before=Conversation(keeps=told.before.keeps))
        opening.append("started over" if told.after.edited else "this is the untouched photo again")
    deeds, tones = _changes(told), tone_changes(told.before, told.tones, told.several_faces)
    kept = _untouched(told)
    sentences = []
    if opening or deeds:
        done = [_compared(deeds)] if deeds else []
        sentences.append(sentence(": ".join(opening + done)))
    if short := _short(told):
        sentences.append(sentence(f"that is as far as I get with {listed(short)}"))
    if over := _over(told):
        sentences.append(sentence(f"that took more than was asked of {listed(over)}"))
    if changed := _unlike(told):
        sentences.append(sentence(changed))
    if tones:
        sentences.append(sentence(listed(tones)))
    if kept:
        sentences.append(sentence(listed(kept)))
    if "explain" in topics:
        sentences.append(_explain(told))
    notes = [n for n in told.notes if not (n.topic == "untouched" and told.changed)]
    sentences += [sentence(text) for text in note_texts(notes)]
    return " ".join(sentences) if sentences else sentence(_nothing(told))


def stood_in(trouble: str) -> str:
    """That the model chosen for messages did not read this one, and why (`Parsed.trouble`)."""
    return sentence(f"read by the built-in model, since {trouble}")


_STEPS = {"undone": "undone", "redone": "done again"}


def _changes(told: Told) -> list[str]:
    """What is different from before the turn, by measurement."""
    new = {_key(made) for made in told.after.edits}
    parts = [_measured(made.edit, measure, told.several_faces) for made, measure in _new(told)]
    gone = [
        replace(made.edit, where=left)
        for made in told.before.edits
        if made.edit.strength > 0 and _key(made) not in new and (left := _left(made, told.after))
    ]
    return parts + [_back(edit, told.several_faces) for edit in gone] + _fill_changes(told)


def _new(told: Told) -> list[tuple[Made, EditMeasure]]:
    """Edits that were not there before the turn, or with another strength."""
    old = {_key(made): made.edit.strength for made in told.before.edits}
    return [pair for pair in told.edits if old.get(_key(pair[0])) != pair[0].edit.strength]


def _short(told: Told) -> list[str]:
    """What fell short of the wish, however hard it was tried; not where less is asked for."""
    return [
        _asked(made.edit, told)
        for made, measure in _new(told)
        if missed(made.edit, measure) > 0 and not _lessened(made, told.before)
    ]


def _over(told: Told) -> list[str]:
    """What went further than the wish, however gently it was tried."""
    return [
        _asked(made.edit, told) for made, measure in _new(told) if missed(made.edit, measure) < 0
    ]


def _unlike(told: Told) -> str | None:
    """A warning, where a turn made somebody look like another person."""
    if not told.changed or min(told.identity.values(), default=1.0) >= ALIKE:
        return None
    if not told.several_faces:
        return "this may no longer look like the same person"
    faces = [f"face {number + 1}" for number, same in told.identity.items() if same < ALIKE]
    return f"{listed(faces)} may no longer look like the same person"


def _asked(edit: Edit, told: Told) -> str:
    what = f"{noun(_name(edit))}{_spot(edit, told.several_faces)}"
    return f"{what} ({percent(edit.strength)} was asked)"


def _lessened(new: Made, before: Conversation) -> bool:
    return any(
        same_kind(old.edit, new.edit)
        and inside(old.edit, new.edit)
        and old.edit.strength > new.edit.strength
        for old in before.edits
    )


def _fill_changes(told: Told) -> list[str]:
    """What is filled, or no longer filled, since the turn began."""
    new = [
        _filled(measure, _marked(filled, told.several_faces))
        for filled, measure in told.fills
        if filled not in told.before.fills
    ]
    gone = [
        f"{_marked(filled, told.several_faces)} is as in the original again"
        for filled in told.before.fills
        if filled not in told.after.fills
    ]
    return new + gone


def _filled(measure: FillMeasure, what: str) -> str:
    if measure.kept >= GONE:
        return f"{what} is kept, so it stays as it is"
    kept = ", except for what is kept there" if measure.kept >= NOTICEABLE else ""
    if measure.reduction < NOTICEABLE:
        return f"{what} is {_hardly(measure.reduction)} weaker{kept}"
    return f"{what} is filled with skin and {percent(measure.reduction)} weaker{kept}"


def _marked(filled: Filled, several: bool) -> str:
    """ "what you marked": it has no name of its own."""
    return "what you marked" + (f" on face {filled.fill.face + 1}" if several else "")


def _key(made: Made) -> Edit:
    edit = made.edit
    return Edit(edit.what, edit.where, 0.0, edit.face, edit.side, edit.phrase)


def _left(old: Made, after: Conversation) -> tuple[Region, ...]:
    """The regions of an edit that no edit of its kind covers any more."""
    alike = [made.edit for made in after.edits if same_kind(old.edit, made.edit)]
    parts = (replace(old.edit, where=(region,)) for region in old.edit.where)
    return tuple(part.where[0] for part in parts if not any(inside(edit, part) for edit in alike))


def _compared(clauses: Sequence[str]) -> str:
    """The clauses in one sentence that says what weaker is compared with."""
    text = listed(clauses)
    return text + " than in the original" if text.endswith("weaker") else text


def _measured(edit: Edit, measure: EditMeasure, several: bool) -> str:
    what = f"{noun(_name(edit))}{_spot(edit, several)}"
    if edit.strength == 0:
        return _back(edit, several)
    if measure.reduction < NOTICEABLE:
        return f"{what} {are(edit.what)} {_hardly(measure.reduction)} weaker"
    if measure.reduction >= GONE:
        return f"{what} {are(edit.what)} no longer to be found"
    return f"{what} {are(edit.what)} {percent(measure.reduction)} weaker"


def _hardly(reduction: float) -> str:
    return "not" if reduction < -NOTICEABLE else "hardly"


def _back(edit: Edit, several: bool) -> str:
    what = f"{noun(_name(edit))}{_spot(edit, several)}"
    return f"{what} {are(edit.what)} as in the original again"


def _untouched(told: Told) -> list[str]:
    """Keeps that deserve a word: those new in this turn, and remembered ones at first use."""
    old = {(held.keep, held.origin) for held in told.before.keeps}
    # Memory's keeps are there from the start: they are used once something is edited.
    first = not told.before.edited and told.after.edited
    clauses: list[str] = []
    left: dict[str, list[Held]] = {}
    for held, measure in told.kept:
        new = (held.keep, held.origin) not in old
        if not (new or (first and held.origin == "remembered")):
            continue
        if measure.max_change:
            what = f"{noun(_name(held.keep))}{_spot(held.keep, told.several_faces)}"
            clauses.append(f"{what} changed by {measure.max_change} levels, against your wish")
        elif measure.found > 0:
            left.setdefault(held.reason or "", []).append(held)
    for reason, same in left.items():
        names = [f"{noun(_name(one.keep))}{_spot(one.keep, told.several_faces)}" for one in same]
        did = were(same[0].keep.what) if len(set(names)) == 1 else "were"
        kept = f"{did} left untouched" if told.changed else "will be kept"
        clauses.append(f"{listed(names)} {kept}" + (f" because {reason}" if reason else ""))
    return clauses


def _explain(told: Told) -> str:
    """What is in force, how strong, and why."""
    listing = [
        f"{plain(_name(made.edit))}{_spot(made.edit, told.several_faces)} (strength "
        f"{percent(made.edit.strength)}, measured {percent(measure.reduction)} weaker"
        + _chosen(made)
        for made, measure in told.edits
        if made.edit.strength > 0
    ]
    listing += [
        f"{_marked(filled, told.several_faces)} (filled with skin, measured "
        f"{percent(measure.reduction)} weaker)"
        for filled, measure in told.fills
    ]
    listing += tone_listing(told.tones, told.several_faces)
    kept = [
        f"{plain(_name(held.keep))}{_spot(held.keep, told.several_faces)} ({_why(held)})"
        for held, _ in told.kept
    ]
    done = (
        f"In this photo I changed {listed(listing)}."
        if listing
        else ("Nothing has been changed in this photo so far.")
    )
    same = [
        percent(one) + (f" (face {number + 1})" if told.several_faces else "")
        for number, one in told.identity.items()
    ]
    if same:
        done += f" {sentence(f'likeness to the untouched face: {listed(same)}')}"
    return f"{done} {sentence(f'kept: {listed(kept)}')}" if kept else done


def _chosen(made: Made) -> str:
    """Who chose the strength of an edit, behind its numbers."""
    if made.reason:
        return f", your usual strength because {made.reason})"
    return ", my own choice)" if made.named == "auto" else ")"


def _why(held: Held) -> str:
    if held.origin == "policy":
        return "a permanent mark, which I keep unless you name it"
    return held.reason or "you asked for that"


def _nothing(told: Told) -> str:
    if told.before != told.after:
        return "noted, the photo itself has not changed"
    return "nothing had to be changed"


def _name(thing) -> str:
    return thing.phrase or thing.what


def _spot(thing, several: bool) -> str:
    spot = place(thing.what, thing.where, thing.side)
    return spot + (f" of face {thing.face + 1}" if several else "")
