"""What notes say in the reply."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from agent.notes import Note
from agent.words import are, bare, listed, noun, percent, place, plain, spot_noun, were
from vision.vocabulary import LEARNT_KINDS, TONE_ATTRIBUTES

HELP = (
    "Tell me what to change, where and how much (“soften the lines on the forehead a bit”), what "
    "to keep (“but keep the freckles”), then correct me (“a bit less”, “undo”). I can work on "
    f"{listed(plain(kind) for kind in LEARNT_KINDS)}, and on light and colour (“brighten the "
    "background”); say “save it” when you are happy."
)

FOREIGN = (
    "I only understand English, so please say it in English; other languages need a larger "
    "language model: one of a few billion weights on this machine (8 GB of memory or more, best a "
    "graphics card's), or a server that runs one"
)


def note_texts(notes: Sequence[Note]) -> list[str]:
    """What notes say: those of one topic and reason together, without a full stop."""
    texts: list[str] = []
    grouped = groupby(
        sorted(notes, key=lambda note: (note.topic, note.reason or "")),
        key=lambda note: (note.topic, note.reason),
    )
    for (topic, reason), same in grouped:
        text = _say(topic, list(same), reason)
        if text:
            texts.append(text)
    return texts


def _say(topic: str, notes: list[Note], reason: str | None) -> str:
    whats = listed(f"{plain(n.what)}{place(n.what, n.where)}" for n in notes)
    nouns = listed(f"{noun(n.what)}{place(n.what, n.where)}" for n in notes)
    match topic:
        case "not_found":
            missing = listed(f"no {bare(n.what)}{place(n.what, n.where)}" for n in notes)
            return f"I found {missing}, so nothing was changed there"
        case "not_learnt":
            return f"I cannot recognise {whats} yet, so I left that alone"
        case "cannot_guard":
            return f"I cannot recognise {whats} yet, so I cannot guard that by itself"
        case "others_alike":
            marks = listed(list(dict.fromkeys(plain(n.what) for n in notes)))
            return f"what looks like {marks} to me was left alone: name them if they should go, too"
        case "none_to_keep":
            missing = listed(f"no {bare(n.what)}{place(n.what, n.where)}" for n in notes)
            return f"I found {missing} to keep"
        case "kept_already":
            return f"{nouns} {are(notes[0].what) if len(notes) == 1 else 'are'} kept already"
        case "tone_kept":
            return f"{nouns} stayed as it was, because that place is kept whole"
        case "tone_lifted":
            why = f" ({reason})" if reason else ""
            spots = listed(spot_noun(note.where[0])[0] for note in notes)
            return (
                f"{spots} had been kept{why}; since you asked for light or colour there, that "
                "is lifted for this photo"
            )
        case "no_such_face":
            return "there are not that many faces in this photo"
        case "no_face":
            return "I found no face in this photo, so there is nothing to retouch"
        case "lifted":
            why = f" ({reason})" if reason else ""
            return f"{nouns} had been kept{why}; since you named it, that is lifted for this photo"
        case "stays":
            why = f" because {reason}" if reason else " as you asked"
            return f"{nouns} stayed untouched{why}; name that place if you want it changed"
        case "nothing_done":
            return (
                f"nothing has been done to {nouns} yet"
                if notes[0].what not in ("last", "everything")
                else ("nothing has been changed yet")
            )
        case "at_limit":
            return "that is as far as it goes already"
        case "not_kept":
            return f"{nouns} {were(notes[0].what)} not being kept"
        case "too_narrow":
            return f"say what to do with {nouns}, and I will; the rest stays kept"
        case "usual":
            return _as_usual(notes, reason)
        case "whole":
            return "what you marked is filled whole or not at all: “undo” takes it back"
        case "off_face":
            return "what you marked touches no face, so nothing was filled"
        case "partly_off":
            return "the part of what you marked that lies on no face was left as it is"
        case "kept_off_face":
            return "what you marked touches no face: I can only keep what does"
        case "kept_partly":
            return (
                "I keep the part of what you marked that lies on a face; light and colour may "
                "change the rest"
            )
        case "all_clear":
            return "I found nothing that I would change on my own"
        case _:
            return _say_act(topic, notes)


def _say_act(topic: str, notes: list[Note]) -> str:
    what = notes[0].what
    match topic:
        case "no_step":
            return f"there is nothing {'to undo' if what == 'undone' else 'to redo'}"
        case "untouched":
            return "this is the untouched photo already"
        case "glad":
            return "glad you like it"
        case "paused":
            return "your memory is paused, so this holds for this photo alone"
        case "learnt":
            return f"noted as what you like: {_habits(notes)}"
        case "rule":
            return f"I will remember that from now on: {_habits(notes)}"
        case "rule_of_one":
            return (
                "that holds for this photo: from now on I can only remember what is to be done "
                "with everybody"
            )
        case "nothing_to_learn":
            return "no kind has been changed or kept yet, so there is nothing to remember"
        case "no_user":
            return "I only remember things for a named user, so this holds for this photo alone"
        case "resumed":
            return "your memory is no longer paused"
        case "forgotten":
            subject = "you" if what == "everything" else noun(what)
            return f"I have forgotten all I knew about {subject}"
        case "nothing_to_forget":
            return f"I remember nothing about {'you' if what == 'everything' else noun(what)}"
        case "view":
            return {
                "before": "here is the original",
                "after": "here is the result",
                "split": "here are both, side by side",
                "mask": "here is where the photo was edited",
            }[what]
        case "shown":
            return f"here is where I find {noun(what)}"
        case "none_to_show":
            return f"I find no {bare(what)} to show"
        case "saved":
            return f"saved as {what}"
        case "not_saved":
            return what
        case "unwritten":
            return f"nothing of this is remembered: {what}"
        case "no_output":
            return "this photo has no file to save beside: name a file to save it under"
        case "unsupported":
            return listed(f"“{note.what}”" for note in notes) + (
                " is outside of what I do: I soften marks and lines of the skin, and change light "
                "and colour"
            )
        case "foreign":
            return FOREIGN
        case "help":
            return HELP
        case "chat":
            return "I am here: tell me what to soften, remove or keep in this photo"
        case _:
            return ""  # said elsewhere: steps in the opening, explanations in full


def _as_usual(notes: Sequence[Note], reason: str | None) -> str:
    """What memory chose, and why."""
    toned = [note for note in notes if note.what in TONE_ATTRIBUTES]
    left = [note for note in notes if note.strength == 0]
    used = [note for note in notes if note.strength and note not in toned]
    clauses = []
    if toned:
        whats = listed(
            f"{plain(n.what)}{place(n.what, n.where)} by {n.strength:+.0%}" for n in toned
        )
        clauses.append(f"I changed {whats} as usual")
    if used:
        whats = listed(
            f"{plain(note.what)}{place(note.what, note.where)} ({percent(note.strength or 0)})"
            for note in used
        )
        clauses.append(f"for {whats} I used your usual strength")
    if left:
        whats = listed(f"{noun(note.what)}{place(note.what, note.where)}" for note in left)
        clauses.append(f"I left {whats} alone")
    return f"{listed(clauses)}, because {reason}"


def _habits(notes: Iterable[Note]) -> str:
    return listed(f"{plain(n.what)}{place(n.what, n.where)} {_habit(n)}" for n in notes)


def _habit(note: Note) -> str:
    if note.strength is None:
        return "kept"
    if note.what in TONE_ATTRIBUTES and note.strength:
        return f"{note.strength:+.0%}"
    return f"at strength {percent(note.strength)}" if note.strength else "left alone"
