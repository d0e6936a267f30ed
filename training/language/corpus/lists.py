"""Several wishes in one message: lists that share a verb, lists with a number or region per item,
independent sentences in a row, and contrasts ("not the moles, the freckles").
"""

from __future__ import annotations

from collections.abc import Callable

from llm.sequences import Spoken
from training.language.corpus import fragments, wishes
from training.language.corpus.speaker import Draft, Speaker, Thing, Utterance
from training.language.corpus.wishes import render

_SEPARATORS = (
    ", ",
    ", ",
    ", ",
    ", ",
    "; ",
    " ",
    " and ",
    " / ",
    "\n",
    ". ",
    " then ",
    ", then ",
    " + ",
)
_LAST = (
    " and ",
    " and ",
    " and ",
    ", ",
    ", and ",
    " & ",
    ", also ",
    " plus ",
    "; ",
    ". ",
    ", then ",
)


def several(s: Speaker, wish: Callable[[Speaker], Utterance], count: int) -> Utterance:
    """A message of about `count` commands; `wish` makes one independent request."""
    if s.chance(0.5):
        return row(s, count, wish)
    makers = (
        (shared_verb, 2.0),
        (per_item, 4.0),
        (numbered, 4.0),
        (by_place, 1.5),
        (tones, 1.2),
        (sliders, 1.0),
        (rules, 0.7),
        (ones, 1.5 if count == 2 else 0.0),
        (tone_chain, 1.0 if count == 2 else 0.0),
        (outsiders, 1.2 if count < 4 else 0.0),
        (by_face, 2.0 if s.state.faces > 1 else 0.3),
        (everything_except, 1.5 if count < 4 else 0.0),
        (scoped, 0.7 if count == 2 else 0.0),
    )
    return s.rng.choices([maker for maker, _ in makers], [weight for _, weight in makers])[0](
        s, count
    )


def _items(s: Speaker, count: int, plain: float = 0.6) -> list[Thing]:
    return [s.thing(kind, plain=plain) for kind in s.kinds(count)]


def _joined(s: Speaker, parts: list[str]) -> str:
    if len(parts) == 1:
        return parts[0]
    if s.chance(0.06):
        return _ticked_off(s, parts)
    return s.pick(_SEPARATORS).join(parts[:-1]) + s.pick(_LAST) + parts[-1]


def _ticked_off(s: Speaker, parts: list[str]) -> str:
    """As a list with numbers or dashes, in lines or in one."""
    mark = s.pick(("{n}. ", "{n}) ", "{n}) ", "- ", "* "))
    apart = s.pick(("\n", " ", ", ")) if mark == "{n}) " else "\n"
    ending = s.pick(("", "", ".", ";"))
    numbered = [f"{mark.format(n=at)}{part}" for at, part in enumerate(parts, start=1)]
    return f"{ending}{apart}".join(numbered) + ending.replace(";", "")


def shared_verb(s: Speaker, count: int) -> Utterance:
    """One verb, several things: "soften A, B and C"; or several things to keep."""
    things = _items(s, count, plain=s.pick((0.3, 0.95)))
    texts = [things[0].text]
    for thing in things[1:]:
        short = s.chance(0.3)
        texts.append(fragments.DETERMINER.sub("", thing.text) if short else thing.text)
    listed = s.series(texts)
    if s.chance(0.2):
        return Utterance(
            render(s.phrase("keep"), x=listed), [{"do": "keep", **t.draft} for t in things], True
        )
    if s.chance(0.25):
        words, share = s.number()
        text = render(s.frame("shared_number"), l=listed, n=words)
    else:
        text, share = wishes.reduction(s, listed)
    return Utterance(text, [{"do": "reduce", "strength": share, **t.draft} for t in things], True)


def per_item(s: Speaker, count: int) -> Utterance:
    """Every item has its own strength: "A gone, B softer, C stays"."""
    parts, drafts = [], []
    opening = s.pick(("", "", "", "i want ", "i'd like ", "let's have ", "please: ", "so: "))
    for thing in _items(s, count):
        template, strength = s.frame("predicates")
        if not parts and strength is not None and template.startswith("{x}"):
            template = opening + template
        parts.append(render(template, x=thing.text))
        command: Draft = (
            {"do": "keep"} if strength is None else {"do": "reduce", "strength": strength}
        )
        drafts.append(command | thing.draft)
    return Utterance(_joined(s, parts), drafts, standing=all(d["do"] == "reduce" for d in drafts))


def numbered(s: Speaker, count: int) -> Utterance:
    """Every item has its own number: "acne 80, redness 30 on the cheeks, shine off"."""
    parts, drafts = [], []
    template = s.frame("numbered")
    verb = s.chance(0.4)
    for thing in _items(s, count, plain=0.65):
        if s.chance(0.12):
            parts.append(
                render(
                    s.pick(("{x} off", "{x} gone", "no {x}", "{x} out completely")), x=thing.text
                )
            )
            drafts.append({"do": "reduce", "strength": 1.0, **thing.draft})
            continue
        words, share = s.number()
        own = s.frame("numbered") if s.chance(0.15) else template
        if verb and s.chance(0.5):
            text = f"{s.frame('soft_verbs')} {thing.text} {s.pick(('by ', '', 'to '))}{words}"
        else:
            text = render(own, x=thing.text, n=words)
        parts.append(text)
        drafts.append({"do": "reduce", "strength": share, **thing.draft})
    return Utterance(_joined(s, parts), drafts, standing=True)


def by_place(s: Speaker, count: int) -> Utterance:
    """A place and what to do there, item by item: "forehead: lines; nose: shine 40"."""
    parts, drafts = [], []
    joint = s.pick((": ", " - ", ", ", " "))
    for region in s.regions(count):
        thing = s.thing(plain=1.0)
        place = s.place_name(region) if joint != ", " else s.place(region)
        text, strength = thing.text, 1.0
        if s.chance(0.4):
            words, strength = s.number()
            text = f"{text} {words}"
        elif s.chance(0.5):
            template, level = s.pick(
                [one for one in s.data["frames"]["predicates"] if one[1] is not None]
            )
            text, strength = render(template, x=text), level or 1.0
        parts.append(f"{place}{joint}{text}")
        drafts.append({"do": "reduce", **thing.draft, "strength": strength, "where": [region]})
    return Utterance(_joined(s, parts), drafts)


def row(s: Speaker, count: int, wish: Callable[[Speaker], Utterance]) -> Utterance:
    """Independent requests one after the other."""
    text, drafts = "", []
    for at in range(count):
        one = wish(s)
        if at:
            joiner = (
                s.phrase("joiners") if s.chance(0.8) else s.pick((", ", ". ", " ", "; ", " and "))
            )
            text = text.rstrip(" .!?" if not joiner.startswith((".", "?")) else " .") + joiner
        text += one.text
        drafts += one.drafts
    if not all(draft["do"] in _AFTER_PRAISE for draft in drafts):
        # Praise among wishes is no command of its own.
        drafts = [draft for draft in drafts if draft["do"] != "accept"]
    return Utterance(text, drafts)


_AFTER_PRAISE = ("accept", "save", "remember", "show", "explain")


def ones(s: Speaker, count: int) -> Utterance:
    """One kind in two places: "remove the freckles on my nose but keep the ones on my chin"."""
    kind = s.pick(
        ("freckles", "moles", "acne", "wrinkles", "dark_spots", "scars", "redness", "shine")
    )
    name = s.phrase("kinds", kind)
    if not fragments.takes_place(kind, name):
        return shared_verb(s, count)
    parts, drafts = [], []
    for at in range(2):
        draft: Draft = {"what": kind}
        place = s.where(draft, plain=0.0)
        noun = s.marked(name, draft) if at == 0 else s.frame("ones")
        if s.chance(0.35):
            parts.append(render(s.phrase("keep"), x=f"{noun} {place}"))
            drafts.append({"do": "keep", **draft})
        else:
            text, strength = wishes.reduction(s, f"{noun} {place}")
            parts.append(text)
            drafts.append({"do": "reduce", "strength": strength, **draft})
    return Utterance(render(s.frame("two_places"), a=parts[0], b=parts[1]), drafts)


def tone_chain(s: Speaker, count: int) -> Utterance:
    """Light and colour of one place, by pronoun: "darken the wall and desaturate it a bit"."""
    region = s.pick(("background", "face", "image", "hair", "skin", "background", "eyes"))
    place: Draft = {} if region == "image" else {"where": [region]}
    verb, attribute, sign = s.frame("tone_verbs_plain")
    adverb, amount = s.frame("tone_levels")
    text = f"{verb} {s.place_name(region)} {adverb}".strip()
    drafts: list[Draft] = [{"do": "tone", "attribute": attribute, "amount": sign * amount, **place}]
    others = [one for one in s.data["frames"]["tone_verbs_plain"] if one[1] != attribute]
    verb, attribute, sign = s.pick(others)
    template, levelled = s.frame("tone_chain")
    adverb, amount = s.frame("tone_levels") if levelled else ("", 0.3)
    after = render(template, v=verb, a=adverb).strip().replace("  ", " ")
    drafts.append({"do": "tone", "attribute": attribute, "amount": sign * amount, **place})
    return Utterance(f"{text}{s.pick((', ', ' and ', ', ', '. '))}{after}", drafts)


def rules(s: Speaker, count: int) -> Utterance:
    """Standing rules in a row: "always remove A and never touch B"."""
    parts, drafts = [], []
    for thing in _items(s, count):
        if s.chance(0.5):
            parts.append(render(s.frame("never"), x=thing.text))
            drafts.append({"do": "keep", "always": True, **thing.draft})
        else:
            text, strength = wishes.reduction(s, thing.text)
            parts.append(render(s.frame("rules"), r=text))
            drafts.append({"do": "reduce", "strength": strength, "always": True, **thing.draft})
    return Utterance(_joined(s, parts), drafts)


def outsiders(s: Speaker, count: int) -> Utterance:
    """Several wishes that cannot be granted, perhaps with one that can."""
    if count == 2 and s.chance(0.25):
        first, second = {"do": "unsupported"}, {"do": "unsupported"}
        names = s.rng.sample(s.data["frames"]["addable"], 2)
        text = s.marked(f"{s.frame('add')} {names[0]}", first)
        return Utterance(
            f"{text}{s.pick((' and ', ', ', ' & '))}{s.marked(names[1], second)}", [first, second]
        )
    wish = [wishes.unsupported] * count
    if count > 1 and s.chance(0.5):
        wish[s.rng.randrange(count)] = wishes.reduce
    pending = iter(wish)
    return row(s, count, lambda speaker: next(pending)(speaker))


def tones(s: Speaker, count: int) -> Utterance:
    """Several shifts of light and colour: "make the background darker and a bit cooler"."""
    region = s.pick(("image", "image", "face", "background", "hair", "skin", "eyes", "teeth"))
    place: Draft = {} if region == "image" else {"where": [region]}
    parts, drafts, used = [], [], set()
    while len(parts) < min(count, 3):
        word, attribute, sign = s.frame("tone_words")
        if attribute in used:
            continue
        used.add(attribute)
        adverb, amount = s.frame("tone_levels")
        parts.append(adverb + word)
        drafts.append({"do": "tone", "attribute": attribute, "amount": sign * amount, **place})
    listed = s.series(parts)
    name = s.place_name(region)
    frames = (
        "make {r} {l}",
        "{r} {l}",
        "i want {r} {l}",
        "{r} should be {l}",
        "can you make {r} {l}",
    )
    frames += ("{l}", "make it {l}", "{l} please") if region == "image" else ("{l} {r}",)
    return Utterance(render(s.pick(frames), r=name, l=listed), drafts, standing=True)


_SLIDERS = {
    "brightness": ("brightness", "exposure", "light"),
    "contrast": ("contrast",),
    "temperature": ("temperature", "warmth", "temp", "white balance"),
    "colorfulness": ("saturation", "vibrance", "colour", "color", "colors"),
}


def sliders(s: Speaker, count: int) -> Utterance:
    """Settings as at a mixing desk: "exposure +20, saturation -10, acne 80"."""
    parts, drafts = [], []
    attributes = s.rng.sample(list(_SLIDERS), min(count, s.rng.randint(1, 4)))
    things = _items(s, count - len(attributes), plain=0.9)
    for attribute in attributes:
        words, share = s.number()
        sign = s.pick((1, -1))
        name = s.pick(_SLIDERS[attribute])
        form = (
            s.pick(("{a} +{n}", "{a} up {n}", "+{n} {a}", "{n} more {a}"))
            if sign > 0
            else s.pick(("{a} -{n}", "{a} down {n}", "-{n} {a}", "{n} less {a}"))
        )
        parts.append(render(form, a=name, n=words))
        drafts.append({"do": "tone", "attribute": attribute, "amount": Spoken(sign * share)})
    for thing in things:
        words, share = s.number()
        parts.append(f"{thing.text} {words}")
        drafts.append({"do": "reduce", "strength": share, **thing.draft})
    order = s.rng.sample(range(len(parts)), len(parts))
    return Utterance(_joined(s, [parts[at] for at in order]), [drafts[at] for at in order])


def by_face(s: Speaker, count: int) -> Utterance:
    """One face after the other: "the man on the left: acne; face 2: soften the lines"."""
    parts, drafts, used = [], [], set()
    joint = s.pick((": ", " - ", ", ", ": "))
    while len(parts) < count and len(used) < 6:
        words, who = s.face()
        if who in used:
            continue
        used.add(who)
        thing = s.thing(plain=0.8)
        thing.draft["who"] = who
        text, strength = wishes.reduction(s, thing.text)
        parts.append(
            f"{words}{joint}{text}" if s.chance(0.7) else f"{text} {s.pick(('on', 'for'))} {words}"
        )
        drafts.append({"do": "reduce", "strength": strength, **thing.draft})
    return Utterance(_joined(s, parts), drafts)


def everything_except(s: Speaker, count: int) -> Utterance:
    """A wish with exceptions: "fix everything except A and B", "remove A but keep B"."""
    kept = [wishes.kept_thing(s) for _ in range(max(1, count - 1))]
    names = s.series([thing.text for thing in kept])
    if s.chance(0.5):
        text, strength = s.frame("autos")
        first: list[Draft] = [{"do": "auto", "strength": strength}]
    else:
        thing = s.thing()
        text, strength = wishes.reduction(s, thing.text)
        first = [{"do": "reduce", "strength": strength, **thing.draft}]
    keeps: list[Draft] = [{"do": "keep", **thing.draft} for thing in kept]
    if s.chance(0.25):
        return Utterance(render(s.frame("except_first"), a=text, k=names), keeps + first)
    return Utterance(render(s.frame("except"), a=text, k=names), first + keeps)


def scoped(s: Speaker, count: int) -> Utterance:
    """A keep with one exception in a place."""
    kind = s.pick(("moles", "freckles", "scars", "dark_spots", "acne", "wrinkles"))
    keep: Draft = {"do": "keep", "what": kind}
    drop: Draft = {"do": "reduce", "what": kind, "strength": 1.0}
    place = s.where(drop, plain=0.0)
    name = s.phrase("kinds", kind)
    if (implied := fragments.implied_region(kind, name)) is not None:
        keep["where"] = [implied]
    return Utterance(render(s.frame("scoped"), a=s.marked(name, keep), p=place), [keep, drop])


def only(s: Speaker) -> Utterance:
    """One thing and no other: "touch nothing but the scar"."""
    thing = s.thing()
    wish: Draft = {"do": "reduce", "strength": 1.0, **thing.draft}
    return Utterance(render(s.frame("only"), a=thing.text), [wish])


def contrast(s: Speaker) -> Utterance:
    """A thing set aside, another one asked for."""
    aside, wanted = (s.thing(kind, plain=0.75) for kind in s.kinds(2))
    text, strength = render(s.frame("contrasts"), a=aside.text, b=wanted.text), 1.0
    if s.chance(0.35):
        ask, strength = wishes.about_it(s, s.pick(("it", "them", "those", "that")))
        text = f"{text.rstrip(' .?!')}{s.pick(('. ', ', ', '; ', ' - '))}{ask}"
    return Utterance(text, [{"do": "reduce", "strength": strength, **wanted.draft}])
