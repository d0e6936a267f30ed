"""What sounds like a wish and is none here: talk and questions about the marks of a face, and marks
on things.
"""

from __future__ import annotations

from training.language.corpus.speaker import Draft, Speaker, Utterance
from training.language.corpus.wishes import render

# What people speak of without wanting it away, the likelier the more often.
_SPOKEN_OF = (
    "freckles", "freckles", "freckles", "moles", "moles", "scars", "scars", "wrinkles", "wrinkles",
    "acne", "acne", "redness", "dark_circles", "dark_spots", "pores", "stubble", "eye_bags",
    "shine", "other",
)  # fmt: skip


def statement(s: Speaker) -> Utterance:
    """Praise, memories and small stories: "my freckles run in the family"."""
    return Utterance(_about(s, "statements"), [{"do": "chat"}])


def opinion(s: Speaker) -> Utterance:
    """A question for advice or a fact: "would I look better without the mole?"."""
    return Utterance(_about(s, "opinions"), [{"do": "help"}])


def thing(s: Speaker) -> Utterance:
    """A mark on something that is no skin: "remove the scratch on my watch"."""
    mark, place = s.frame("marks_of_things"), s.frame("belongings")
    draft: Draft = {"do": "unsupported"}
    return Utterance(s.marked(render(s.frame("marks_on_things"), s=mark, g=place), draft), [draft])


def _about(s: Speaker, frames: str) -> str:
    text = render(s.frame(frames), x=s.noun(s.pick(_SPOKEN_OF)))
    return text if s.chance(0.7) else text.rstrip("?.") + s.pick(("", ".", "!", "?"))
