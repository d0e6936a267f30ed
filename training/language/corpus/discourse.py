"""What users say about a result: feedback, references back, corrections; and the states they say
it in. Drafts keep references as references ("last", "same", "opposite", "half"): the parser
resolves them against the state (llm.grammar).
"""

from __future__ import annotations

import re

from llm.commands import State, StateEdit
from llm.sequences import Spoken
from training.language.corpus import fragments, wishes
from training.language.corpus.speaker import Draft, Speaker, Utterance
from training.language.corpus.wishes import render
from vision.vocabulary import KINDS, TONE_ATTRIBUTES, default_region

_ORDINALS = ("first", "second", "third", "fourth")


def state(s: Speaker) -> State:
    """A conversation so far."""
    edits: list[StateEdit] = []
    for _ in range(s.rng.choices((0, 1, 2, 3, 4), (1, 6, 4, 2, 1))[0]):
        if s.chance(0.14):
            amount = s.pick((0.15, 0.3, 0.6, -0.15, -0.3, 0.9))
            where = [s.pick(("image", "image", "face", "background", "hair"))]
            edits.append(StateEdit(what=s.pick(TONE_ATTRIBUTES), where=where, strength=amount))
            continue
        kind = s.kind()
        free = default_region(kind) == "face" and s.chance(0.5)
        where = s.regions(s.pick((1, 1, 1, 2))) if free else [default_region(kind)]
        strength = s.pick((0.15, 0.3, 0.5, 0.5, 0.8, 1.0, 1.0, s.rng.randint(1, 20) / 20))
        side = (
            s.pick(("left", "right", "photo_left", "photo_right"))
            if free and s.chance(0.35)
            else None
        )
        if side is not None:
            where = [
                s.pick(
                    ("cheeks", "cheeks", "temples", "ears", "under_eyes", "jaw", "eyes", "forehead")
                )
            ]
        edits.append(StateEdit(what=kind, where=where, strength=strength, side=side))
    kept = s.kinds(s.pick((1, 1, 2))) if s.chance(0.25) else []
    last = len(edits) - 1 if edits else None
    if last and s.chance(0.1):
        last = s.rng.randrange(len(edits))
    faces = s.rng.randint(2, 5) if s.chance(0.12) else 1
    return State(edits=edits, kept=kept, last=last, faces=faces)


def remark(s: Speaker) -> Utterance:
    """Something said about the state; plain wishes where the state holds nothing to speak of."""
    edits = [edit for edit in s.state.edits if edit.what in KINDS and edit.what != "other"]
    last = s.state.edits[s.state.last] if s.state.last is not None else None
    if last is not None and last.what in TONE_ATTRIBUTES and s.chance(0.6):
        return _tone_feedback(s, last)
    makers = [(feedback, 8.0), (restore, 3.0), (everything, 1.5)]
    if edits:
        makers += [(named, 7.0), (set_named, 1.0)]
    if last is not None and last.what in KINDS and last.what != "other":
        makers += [(derived, 1.5), (set_last, 2.0), (also, 2.5)]
        if last.side is not None:
            makers += [(sides, 10.0)]
    if s.state.kept:
        makers.append((wishes.allow, 2.0))
    if len(edits) > 1 and len({edit.what for edit in s.state.edits}) == len(s.state.edits):
        makers += [(ordinal, 3.0), (both, 1.5 if len(s.state.edits) == 2 else 0.0)]
    return s.rng.choices([maker for maker, _ in makers], [weight for _, weight in makers])[0](s)


def _judged(s: Speaker) -> tuple[str, float]:
    """Words of more or less, and their delta."""
    if s.chance(0.15):
        template, sign = s.frame("by_number")
        words, share = s.number()
        return render(template, n=words), Spoken(sign * share)
    delta = s.rng.choices(("-0.1", "-0.2", "-0.4", "0.1", "0.2", "0.4"), (3, 3, 2, 3, 3, 2))[0]
    words = s.phrase("adjust", delta)
    return words, fragments.said(words, float(delta))


def feedback(s: Speaker) -> Utterance:
    """More or less of the last edit, perhaps in one place."""
    words, delta = _judged(s)
    draft: Draft = {"do": "adjust", "what": "last", "delta": delta}
    edited = [edit for edit in s.state.edits if edit.what in KINDS and edit.what != "other"]
    if edited and s.chance(0.2):
        return _feedback_by_place(s, words, delta)
    if s.chance(0.35):
        place = s.where(draft, plain=0.0)
        words = s.pick(
            (f"{words} {place}", f"{words} {place}", f"{place} {words}", f"{place}: {words}")
        )
    return Utterance(words, [draft])


def _feedback_by_place(s: Speaker, words: str, delta: float) -> Utterance:
    """More or less of the edit that is in the place named, which need not be the last one."""
    edits = [edit for edit in s.state.edits if edit.what in KINDS and edit.what != "other"]
    edit = s.pick(edits)
    region = edit.where[0]
    there = [one for one in edits if region in one.where]
    last = s.state.edits[s.state.last] if s.state.last is not None else None
    what = "last" if last in there else there[-1].what
    place = s.place(region)
    text = s.pick((f"{words} {place}", f"{words} {place}", f"{place} {words}", f"{place}: {words}"))
    if s.chance(0.2):
        text = f"{text}, {render(s.frame('place_fine'), p=s.place_name(s.region()))}"
    return Utterance(text, [{"do": "adjust", "what": what, "where": [region], "delta": delta}])


def named(s: Speaker) -> Utterance:
    """More or less of an edit that is named."""
    edit = s.pick([edit for edit in s.state.edits if edit.what in KINDS and edit.what != "other"])
    draft: Draft = {"do": "adjust", "what": edit.what}
    noun = s.noun(edit.what)
    implied = fragments.implied_region(edit.what, noun)
    if implied is not None and implied not in edit.where:
        draft["where"] = [implied]
    elif implied is None and s.chance(0.15) and fragments.takes_place(edit.what, noun):
        noun = f"{noun} {s.where(draft, plain=0.0)}"
    if s.chance(0.12):
        draft["delta"] = s.pick(tuple(s.data["frames"]["derived"]))
        return Utterance(
            render(s.frame("named"), f=s.frame("derived", draft["delta"]), x=noun), [draft]
        )
    if s.chance(0.5):
        words, draft["delta"] = _judged(s)
        return Utterance(render(s.frame("named"), f=words, x=noun), [draft])
    template, draft["delta"] = s.frame("still")
    text = render(template, x=noun)
    return Utterance(render(s.frame("reported"), r=text) if s.chance(0.2) else text, [draft])


def everything(s: Speaker) -> Utterance:
    """Feedback on all edits together."""
    if s.chance(0.5):
        text, delta = s.frame("fake")
    else:
        words, delta = _judged(s)
        text = render(s.frame("on_everything"), f=words)
    return Utterance(text, [{"do": "adjust", "what": "everything", "delta": delta}])


def ordinal(s: Speaker) -> Utterance:
    """More, less or back of an edit that is named by its turn alone: "the second thing you did"."""
    edits = s.state.edits
    at = s.pick([at for at, one in enumerate(edits) if one.what in KINDS and one.what != "other"])
    name = render(s.frame("ordinals"), n=_ORDINALS[at], d=str(at + 1))
    what = "last" if at == s.state.last else edits[at].what
    if s.chance(0.4):
        return Utterance(render(s.phrase("restore"), x=name), [{"do": "restore", "what": what}])
    if s.chance(0.2):
        template, delta = s.frame("still")
        return Utterance(render(template, x=name), [{"do": "adjust", "what": what, "delta": delta}])
    words, delta = _judged(s)
    text = render(s.frame("named"), f=words, x=name)
    return Utterance(text, [{"do": "adjust", "what": what, "delta": delta}])


def both(s: Speaker) -> Utterance:
    """More or less of the two edits there are."""
    words, delta = _judged(s)
    draft: Draft = {"do": "adjust", "what": "everything", "delta": delta}
    return Utterance(render(s.frame("both"), f=words), [draft])


def derived(s: Speaker) -> Utterance:
    """Half, double or all of the last edit."""
    change = s.pick(tuple(s.data["frames"]["derived"]))
    return Utterance(
        s.frame("derived", change), [{"do": "adjust", "what": "last", "delta": change}]
    )


def set_last(s: Speaker) -> Utterance:
    """ "Make it 30%": the last edit gets a strength of its own."""
    words, share = s.number()
    return Utterance(
        render(s.frame("set"), n=words), [{"do": "reduce", "what": "last", "strength": share}]
    )


def set_named(s: Speaker) -> Utterance:
    """ "Wrinkles to 30%", where wrinkles were edited before."""
    edit = s.pick([edit for edit in s.state.edits if edit.what in KINDS and edit.what != "other"])
    draft: Draft = {"do": "reduce", "what": edit.what, "where": ["there"]}
    noun = s.noun(edit.what)
    implied = fragments.implied_region(edit.what, noun)
    if implied is not None:
        draft["where"] = [implied]
    words, draft["strength"] = s.number()
    return Utterance(render(s.frame("set_named"), x=s.marked(noun, draft), n=words), [draft])


def also(s: Speaker) -> Utterance:
    """The last edit in one more place, or on one more face."""
    draft: Draft = {"do": "reduce", "what": "last", "strength": "same"}
    if s.chance(0.2):
        words, draft["who"] = s.face()
        place = s.pick((f"for {words}", f"on {words}"))
    else:
        place = s.where(draft, plain=0.0)
    if s.chance(0.15):
        words, draft["strength"] = s.number()
        return Utterance(f"{render(s.frame('also'), p=place)}, {words}", [draft])
    return Utterance(render(s.frame("also"), p=place), [draft])


def sides(s: Speaker) -> Utterance:
    """The other cheek, too or instead."""
    last = s.state.edits[s.state.last or 0]
    region = last.where[0].replace("_", "-").removesuffix("s")
    other: Draft = {"do": "reduce", "what": "last", "side": "opposite", "strength": "same"}
    if s.chance(0.35):
        return Utterance(render(s.frame("other_side_too"), r=region), [other])
    text = s.frame("wrong_side")
    if s.chance(0.3) and last.side in ("left", "right"):
        text = s.frame("named_side")
        if "{r}" in text:
            other["where"] = [last.where[0]]
        other["side"] = "left" if last.side == "right" else "right"
    text = render(text, r=region, d=str(other["side"]))
    return Utterance(text, [{"do": "restore", "what": "last"}, other])


def restore(s: Speaker) -> Utterance:
    """The original back: of the last edit, of a kind, of a place."""
    roll = s.rng.random()
    if roll < 0.3:
        return Utterance(s.phrase("restore_last"), [{"do": "restore", "what": "last"}])
    if roll < 0.4:
        draft: Draft = {"do": "restore", "what": "everything"}
        place = s.where(draft, plain=0.0)
        return Utterance(render(s.frame("restore_place"), p=place), [draft])
    edits = [edit.what for edit in s.state.edits if edit.what in KINDS]
    thing = s.thing(s.pick(edits) if edits and s.chance(0.8) else None, plain=0.8, mark=False)
    return Utterance(render(s.phrase("restore"), x=thing.text), [{"do": "restore", **thing.draft}])


def _tone_feedback(s: Speaker, edit: StateEdit) -> Utterance:
    """Feedback on light or colour is a new tone, the other way for "less"."""
    draft: Draft = {"do": "tone", "attribute": edit.what, "where": ["there"]}
    up = edit.strength > 0
    if s.chance(0.5):
        words = s.frame("tone_less", f"{edit.what}{'+' if up else '-'}")
        template, amount = s.frame("too")
        return Utterance(render(template, a=words), [draft | {"amount": -amount if up else amount}])
    delta = s.pick(("-0.1", "-0.2", "-0.4", "0.1", "0.2", "0.4"))
    amount = {0.1: 0.15, 0.2: 0.3, 0.4: 0.6}[abs(float(delta))]
    more = (float(delta) > 0) == up
    words = s.pick([one for one in s.data["adjust"][delta] if not re.search(r"\d", one)])
    return Utterance(words, [draft | {"amount": amount if more else -amount}])


def correction(s: Speaker) -> Utterance:
    """A wish taken back in the same breath: only the second counts."""
    first, second = s.thing(plain=0.7, mark=False), s.thing(plain=0.7)
    text, strength = wishes.reduction(
        s, render(s.frame("corrections"), a=first.text, b=second.text)
    )
    return Utterance(text, [{"do": "reduce", "strength": strength, **second.draft}])


def look_again(s: Speaker) -> Utterance:
    """Praise in front of a wish, which is no `accept`."""
    praise = s.frame("praise")
    one = remark(s) if s.state.edits and s.chance(0.6) else wishes.reduce(s)
    return Utterance(f"{praise} {one.text}", one.drafts)
