"""Single requests: one wish, one command (or, for a bare place, one command with several regions).

Strength words are composed with verbs, so that every pair of them occurs; their values are the
tables of commands.md.
"""

from __future__ import annotations

import re
from typing import Any

from llm.sequences import Spoken
from training.language.corpus import fragments
from training.language.corpus.speaker import Draft, Speaker, Thing, Utterance
from vision.vocabulary import TONE_ATTRIBUTES, default_region

_FRONT = {"barely", "ever so slightly", "slightly", "lightly", "somewhat", "gently", "strongly",
          "mostly", "heavily", "considerably", "completely", "entirely", "totally", "fully",
          "just slightly", "massively", "almost completely"}  # fmt: skip


def render(template: str, **values: str) -> str:
    """Fill {name}s; braces that stay are an error of the fragment's author."""
    for name, value in values.items():
        template = template.replace(f"{{{name}}}", value)
    if "{" in template:
        raise ValueError(f"a fragment asks for something unknown: {template}")
    return template


def wish(s: Speaker) -> Utterance:
    """Any single request that does not lean on the conversation so far."""
    makers = (
        reduce,
        face_first,
        pronoun,
        restated,
        tone_stated,
        placed_first,
        keep,
        tone,
        special,
        auto,
        meta,
        allow,
        unsupported,
        information,
    )
    return any_of(s, makers, (42, 4, 9, 4, 3, 2, 8, 8, 11, 5, 24, 2, 11, 5))


def reduce(s: Speaker, kind: str | None = None) -> Utterance:
    """Make something weaker."""
    thing = s.thing(kind)
    text, strength = reduction(s, thing.text)
    return Utterance(text, [{"do": "reduce", "strength": strength, **thing.draft}], standing=True)


def reduction(s: Speaker, x: str) -> tuple[str, float]:
    """Words that reduce `x`, and how strongly."""
    roll = s.rng.random()
    if roll < 0.35:
        level = s.rng.choices(("0.15", "0.3", "0.5", "0.8", "1.0"), (1.2, 2, 3, 2, 3.5))[0]
        template = s.phrase("reduce", level)
        return render(template, x=x), fragments.said(template, float(level))
    if roll < 0.5:
        template = s.phrase("reduce", "number")
        words, share = s.number()
        return render(template, x=x, n=words), share
    if roll < 0.6:
        return render(s.frame("complaints"), x=x), 1.0
    if roll < 0.64:
        return x, 1.0
    return _composed(s, x)


def _composed(s: Speaker, x: str) -> tuple[str, float]:
    """Verb, perhaps an adverb or a number, in a question or an order."""
    hard = s.chance(0.5)
    verb, strength = (s.frame("hard_verbs"), 1.0) if hard else (s.frame("soft_verbs"), 0.5)
    split = verb.split(" ")
    if len(split) == 2 and split[1] in ("down", "out", "back", "away") and s.chance(0.4):
        text = f"{split[0]} {x} {split[1]}"
    else:
        text = f"{verb} {x}"
    if s.chance(0.2):
        words, strength = s.number()
        text = f"{text} {s.pick(['by ', 'by ', 'to ', '', 'at '])}{words}"
    elif s.chance(0.55):
        levels = (0.3, 0.8, 1.0) if hard else (0.15, 0.3, 0.3, 0.8)
        strength = s.pick(levels)
        adverb = s.frame("adverbs", str(strength))
        front = adverb in _FRONT and s.chance(0.6)
        if s.chance(0.2) and strength < 1:
            text = render(s.frame("trailing"), r=text, a=adverb)
        else:
            text = f"{adverb} {text}" if front else f"{text} {adverb}"
    return render(s.frame("wants" if s.chance(0.05) else "asking"), r=text), strength


_PRONOUNS = ("it", "it", "them", "them", "that", "those", "this", "these")


def pronoun(s: Speaker) -> Utterance:
    """A thing mentioned first and asked for by "it": "see the mole? get rid of that a bit"."""
    thing = s.thing()
    word = s.pick(_PRONOUNS)
    roll = s.rng.random()
    if roll < 0.15:
        return Utterance(render(s.frame("loved"), x=thing.text), [{"do": "keep", **thing.draft}])
    if roll < 0.25:
        text = f"{render(s.frame('mentions'), x=thing.text)} {render(s.phrase('keep'), x=word)}"
        return Utterance(text, [{"do": "keep", **thing.draft}])
    if roll < 0.4:
        template, strength = s.frame("not_so_much")
        return Utterance(
            render(template, x=thing.text), [{"do": "reduce", "strength": strength, **thing.draft}]
        )
    text, strength = about_it(s, word)
    if s.chance(0.15):
        text = f"{render(s.frame('mentions'), x=thing.text)} {s.frame('stories')}. {text}"
    else:
        text = f"{render(s.frame('mentions'), x=thing.text)} {text}"
    return Utterance(text, [{"do": "reduce", "strength": strength, **thing.draft}])


def about_it(s: Speaker, word: str) -> tuple[str, float]:
    """A reduction of something named before, by a pronoun."""
    if s.chance(0.4):
        return _composed(s, word)
    level = s.rng.choices(("0.15", "0.3", "0.5", "0.8", "1.0"), (1, 2, 3, 2, 4))[0]
    template = s.phrase("reduce", level)
    return render(template, x=word), fragments.said(template, float(level))


def face_first(s: Speaker) -> Utterance:
    """One of several people is the subject: "the man on the left has a zit, remove it"."""
    words, who = s.face()
    if s.chance(0.35):
        template, kind, strength = s.frame("face_looks")
        draft: Draft = {"do": "reduce", "what": kind, "strength": strength, "who": who}
        text = render(template, w=words)
        if strength == 1.0 and s.chance(0.5):
            text = f"{text}{s.pick((', ', '. ', ' '))}{s.frame('fix_it')}"
        return Utterance(text, [draft])
    thing = s.thing(plain=0.6)
    ask, strength = about_it(s, s.pick(_PRONOUNS))
    text = render(s.frame("face_subject"), w=words, x=thing.text, v=ask)
    return Utterance(text, [{"do": "reduce", "strength": strength, **thing.draft, "who": who}])


def placed_first(s: Speaker) -> Utterance:
    """The place in front of the wish: "on my chin there's a zit, remove it"."""
    draft: Draft = {"do": "reduce", "what": (kind := s.kind()), "strength": 1.0}
    noun = s.noun(kind)
    if not fragments.takes_place(kind, noun) or kind in (
        "yellow_teeth",
        "dark_circles",
        "eye_bags",
    ):
        return reduce(s)
    place = s.where(draft, plain=0.0)
    return Utterance(render(s.frame("place_first"), p=place, x=s.marked(noun, draft)), [draft])


def restated(s: Speaker) -> Utterance:
    """A thing and its place stated, then asked for in other words: one command."""
    draft: Draft = {"what": (kind := s.kind())}
    noun = s.noun(kind)
    if default_region(kind) != "face" or not fragments.takes_place(kind, noun):
        return reduce(s)
    place = s.where(draft, plain=0.0)
    again = s.phrase("kinds", kind)
    if not fragments.takes_place(kind, again):
        return reduce(s)
    if s.chance(0.5):
        stated = render(s.frame("stated"), x=s.marked(fragments.bare(noun), draft), p=place)
        again = f"{again} there" if s.chance(0.3) else again
    else:
        stated = render(s.frame("stated_place"), p=place)
        again = f"{s.marked(again, draft)}{s.pick((' there', '', ' in that area'))}"
    text, strength = _composed(s, again) if s.chance(0.5) else reduction(s, again)
    text = render(s.frame("restated"), m=stated, r=text)
    return Utterance(text, [{"do": "reduce", "strength": strength, **draft}])


def special(s: Speaker) -> Utterance:
    """Wishes whose verb or adjective names the kind."""
    template, kind, strength = s.frame("special")
    draft: Draft = {"do": "reduce", "what": kind, "strength": strength}
    place = ""
    if "{p}" in template:
        if s.chance(0.35):
            place = s.pick([f"{s.my} skin", f"{s.my} face", "the skin"])
        else:
            draft["where"] = [region := s.region()]
            place = s.place_name(region)
    if strength == 0.5 and s.chance(0.15):
        words, draft["strength"] = s.number()
        template += f" by {words}"
    text = render(template, p=place, t=s.place_name("teeth"))
    return Utterance(
        render(s.pick(s.data["frames"]["asking"][:12]), r=text), [draft], standing=True
    )


def keep(s: Speaker) -> Utterance:
    """Protect a kind, or everything in a place."""
    thing = kept_thing(s)
    draft: Draft = {"do": "keep", **thing.draft}
    if s.chance(0.15):
        draft["always"] = True
        return Utterance(render(s.frame("never"), x=thing.text), [draft])
    return Utterance(render(s.phrase("keep"), x=thing.text), [draft], standing=True)


def kept_thing(s: Speaker) -> Thing:
    """What is to be left alone: a kind, or a region whole."""
    if s.chance(0.3):
        draft: Draft = {"what": "everything"}
        regions = ["lips", "eyes", "hair", "teeth", "ears", "background", "nose", "neck", "mouth"]
        draft["where"] = [s.pick(regions) if s.chance(0.6) else s.region()]
        return Thing(s.marked(s.place_name(draft["where"][0]), draft), draft)
    kind = s.pick(("freckles", "moles", "scars", "dark_spots", "wrinkles", "stubble"))
    return s.thing(kind if s.chance(0.7) else None, plain=0.7)


def allow(s: Speaker) -> Utterance:
    """Lift a keep, of what is kept if anything is."""
    thing = s.thing(
        s.kept_or([kind for kind in s.state.kept if kind != "everything"]), plain=0.8, mark=False
    )
    if s.chance(0.2):
        region = s.region()
        thing = Thing(s.place_name(region), {"what": "everything", "where": [region]})
    return Utterance(render(s.phrase("allow"), x=thing.text), [{"do": "allow", **thing.draft}])


def tone(s: Speaker) -> Utterance:
    """Light and colour, of a region or the whole photo."""
    attribute, sign = s.pick(TONE_ATTRIBUTES), s.pick("+-")
    level = s.rng.choices(("0.15", "0.3", "0.6", "0.9"), (3, 5, 3, 1.5))[0]
    template = s.phrase("tone", attribute + sign, level)
    amount = fragments.said(template, float(level))
    draft: Draft = {"do": "tone", "attribute": attribute}
    if s.chance(0.12):
        template, amount = _tone_number(s, attribute, sign)
    place = ""
    if "{r}" in template or "{x}" in template:
        region = s.pick(
            ("face", "background", "hair", "eyes", "image", "skin", "lips", "teeth", "under_eyes")
        )
        region = region if s.chance(0.7) else s.region()
        place = s.place_name(region)
        if region != "image":
            draft["where"] = [region]
        if s.chance(0.08):
            place = s.with_face(place, draft)
    draft["amount"] = amount if sign == "+" else -amount
    if isinstance(amount, Spoken):
        draft["amount"] = Spoken(draft["amount"])
    text = render(template, r=place, x=place)
    return Utterance(
        render(s.pick(s.data["frames"]["asking"][:8]), r=text) if s.chance(0.2) else text,
        [draft],
        True,
    )


def tone_stated(s: Speaker) -> Utterance:
    """What is wrong with the light, then what to do: one command."""
    word, attribute, sign = s.frame("tone_words")
    adverb, amount = s.frame("tone_levels")
    region = s.pick(("image", "image", "background", "face", "hair", "eyes", "skin"))
    text = render(
        s.frame("tone_stated"),
        r=s.place_name(region),
        too=s.frame("too_words", word),
        l=adverb + word,
    )
    draft: Draft = {"do": "tone", "attribute": attribute, "amount": sign * amount}
    return Utterance(text, [draft if region == "image" else draft | {"where": [region]}])


def _tone_number(s: Speaker, attribute: str, sign: str) -> tuple[str, float]:
    words, share = s.number()
    return s.frame("tone_verbs", attribute + sign).replace("{n}", words), share


_STRONG = re.compile(r"\b(strong|strongly|heavy|heavily|thorough|a lot|really|hard)\b")
_FACES = ("{r} for {w}", "{r}, {w} only", "{w}: {r}", "{r} on {w}")


def auto(s: Speaker) -> Utterance:
    """A wish that names nothing."""
    level = s.rng.choices(("none", "gentle", "strong"), (5, 3, 3))[0]
    text = s.phrase("auto", level)
    strength = {"none": 0.5, "gentle": 0.3, "strong": 0.8 if _STRONG.search(text) else 1.0}[level]
    draft: Draft = {"do": "auto", "strength": fragments.said(text, strength)}
    if s.chance(0.08):
        words, draft["strength"] = s.number()
        text = f"{s.phrase('auto', 'none')}{s.pick([' at ', ', ', ', strength '])}{words}"
    if s.chance(0.08):
        words, draft["who"] = s.face()
        text = render(s.pick(_FACES), r=text, w=words)
    return Utterance(text, [draft])


_COUNTS = {
    2: ("two", "2", "last two", "twice"),
    3: ("three", "3", "last three"),
    4: ("four", "4"),
    5: ("five", "5"),
}


def meta(s: Speaker) -> Utterance:
    """History, memory, looking, saving."""
    kinds = ("undo", "redo", "reset", "accept", "remember", "forget", "show", "explain", "save")
    do = s.rng.choices(kinds, (4, 2.5, 3, 4, 3, 3, 5, 3, 3.5))[0]
    draft: Draft = {"do": do}
    if do in ("undo", "redo") and s.chance(0.35):
        draft["steps"] = s.pick((2, 2, 3, 3, 4, 5))
        count = s.pick(_COUNTS[draft["steps"]]).removeprefix("last ")
        if count == "twice":
            return Utterance(
                s.pick([f"{do} twice", f"{do} that twice", f"{do} two times"]), [draft]
            )
        return Utterance(render(s.frame("steps", do), c=count), [draft])
    if do == "forget":
        return _forget(s, draft)
    if do == "show":
        draft["view"] = s.pick(("before", "after", "split", "mask"))
        if draft["view"] == "mask" and s.chance(0.45):
            draft["what"] = kind = s.kind()
            return Utterance(render(s.frame("show_kind"), x=s.noun(kind)), [draft])
        return Utterance(s.phrase("show", draft["view"]), [draft])
    return Utterance(s.phrase(do), [draft])


def _forget(s: Speaker, draft: Draft) -> Utterance:
    if s.chance(0.45):
        return Utterance(s.phrase("forget_all"), [draft | {"what": "everything"}])
    kind = s.kind()
    return Utterance(render(s.phrase("forget"), x=s.noun(kind)), [draft | {"what": kind}])


def unsupported(s: Speaker, *, plain: bool = False) -> Utterance:
    """A wish outside of retouching; the whole wish is its phrase."""
    roll = s.rng.random()
    if roll < 0.06:
        text = render(s.frame("stained"), d=s.frame("stains"), g=s.frame("garments"))
    elif roll < 0.12:
        ratio = s.pick(("4:5", "1:1", "16:9", "3:2", "2x3", "5 by 7", "a square"))
        pixels = s.pick(("800", "1080", "2048", "4000", "640"))
        share = str(s.rng.randint(2, 90))
        text = render(s.frame("outside_numbers"), r=ratio, p=pixels, q=share)
    elif roll < 0.55:
        text = s.phrase("unsupported")
    elif roll < 0.65:
        text = f"{s.frame('change')} {s.frame('outside')}"
    elif roll < 0.77:
        text = (
            f"make {s.frame('parts_of_body')} {s.pick(['', 'a bit ', 'much '])}{s.frame('shapes')}"
        )
    elif roll < 0.88:
        text = f"{s.frame('add')} {s.frame('addable')}"
    else:
        text = s.frame("looks").replace("{n}", str(s.rng.randint(2, 40)))
    draft: Draft = {"do": "unsupported"}
    marked = s.marked(text, draft)
    asks = ("{r}", "can you {r}", "please {r}", "could you {r}", "i want to {r}", "would you {r}")
    return Utterance(
        render(s.pick(("{r}",) if plain or s.chance(0.6) else asks), r=marked), [draft]
    )


def information(s: Speaker) -> Utterance:
    """Questions that want to know, not to change."""
    if s.chance(0.5):
        return Utterance(s.phrase("help"), [{"do": "help"}])
    names = [fragments.bare(s.phrase("kinds", kind)) for kind in s.kinds(2)]
    if s.chance(0.4):
        names = [s.pick(["a ", "the ", ""]) + name for name in names]
    text = render(s.frame("questions"), x=names[0], y=names[1])
    return Utterance(text + s.pick(["?", "?", ""]), [{"do": "help"}])


def chat(s: Speaker) -> Utterance:
    """Small talk; nothing to do."""
    if s.chance(0.12):
        aside = s.pick((s.phrase("distractors"), s.frame("stories")))
        return Utterance(render(s.frame("chat_tails"), d=aside), [{"do": "chat"}])
    text = s.phrase("chat")
    if s.chance(0.2):
        text = f"{text}{s.pick([', ', '! ', '. ', ' '])}{s.phrase('chat')}"
    return Utterance(text, [{"do": "chat"}])


def any_of(s: Speaker, makers: tuple[Any, ...], weights: tuple[float, ...]) -> Utterance:
    """One of several makers, by weight."""
    return s.rng.choices(makers, weights)[0](s)
