"""The baseline that needs no model: lists of words and the rules one would write in a day.

A message is cut into clauses at commas and conjunctions; in each, words for kinds, regions, sides,
faces, strengths and numbers are looked up, and the first rule that fits makes a command.
"""

from __future__ import annotations

import re
from typing import Any

from llm.commands import State, Turn
from llm.grammar import find_edit
from llm.parser import Parsed
from llm.words import split

KINDS = {
    "acne": "acne pimple zit breakout whitehead milia spot razor_bump bump papule pustule",
    "scars": "scar pockmark pock_mark cut acne_scar",
    "wrinkles": "wrinkle line fine_line crease fold crow's_feet crows_feet frown_line smile_line"
    " laugh_line furrow rhytide",
    "dark_circles": "dark_circle dark_ring shadow_under_my_eye under-eye_circle panda_eye",
    "eye_bags": "eye_bag eyebag bag puffiness puffy bag_under_my_eye puffy_eye",
    "freckles": "freckle freckling ephelide",
    "moles": "mole beauty_mark beauty_spot nevus nevi naevus",
    "dark_spots": "dark_spot age_spot sun_spot sunspot liver_spot brown_spot melasma birthmark"
    " hyperpigmentation pigmentation lentigo lentigines",
    "redness": "redness red rosacea blotch blotchiness flush sunburn broken_vein erythema",
    "shine": "shine shiny oil oily grease greasy glare hot_spot sweat sweaty reflection",
    "pores": "pore blackhead texture smooth_the_skin smooth_my_skin",
    "uneven_tone": "uneven_tone uneven_skin patchy sallow dull_skin skin_tone",
    "stubble": "stubble five_o'clock_shadow razor_shadow beard_shadow",
    "yellow_teeth": "yellow_teeth whiten_teeth whiten_my_teeth whiten_the_teeth teeth_whiter",
    "blemishes": "blemish imperfection flaw mark",
    "other": "bruise hickey cold_sore skin_tag tan_line peach_fuzz",
}
REGIONS = {
    "forehead": "forehead brow", "between_brows": "between_my_brows between_the_brows glabella",
    "temples": "temple", "under_eyes": "under_my_eye under_the_eye under_eye under-eye",
    "crows_feet": "crow's_feet crows_feet", "eyes": "eye", "nose": "nose", "cheeks": "cheek",
    "smile_lines": "smile_line laugh_line nasolabial", "upper_lip": "upper_lip", "lips": "lip",
    "mouth": "mouth", "chin": "chin", "jaw": "jaw jawline", "ears": "ear", "neck": "neck",
    "teeth": "teeth tooth", "hair": "hair", "t_zone": "t-zone t_zone", "face": "face",
    "background": "background", "image": "photo picture image shot",
}  # fmt: skip
# Where a kind's own name says where it is.
IMPLIED = (("between_brows", r"\b(frown|glabella\w*) (line|fold|crease)"),
           ("smile_lines", r"\b(smile|laugh) line|\bnasolabial"),
           ("crows_feet", r"\bcrow'?s feet"))  # fmt: skip
STEPS = {"twice": 2, "two": 2, "three": 3, "2": 2, "3": 3}
META = (
    (r"\bundo\b|\bgo back\b|\bsteps? back\b|\bwait no\b", {"do": "undo", "steps": 1}),
    (r"\bredo\b", {"do": "redo", "steps": 1}),
    (r"\b(start over|reset|from scratch|back to the original|begin again)\b", {"do": "reset"}),
    (r"\bremember (this|these|my|that)\b|\bevery time\b", {"do": "remember"}),
    (r"\bforget\b", {"do": "forget", "what": "everything"}),
    (r"\bwhat (did|have) you\b|\bwhat changed\b|\bexplain\b", {"do": "explain"}),
    (r"\bbefore\W+(and )?after\b|\bside by side\b|\bcompare\b", {"do": "show", "view": "split"}),
    (r"\bmask\b|\bwhere did you\b", {"do": "show", "view": "mask"}),
    (r"\b(show|see)\b.*\b(before|original)\b", {"do": "show", "view": "before"}),
    (r"\b(show|see)\b.*\b(after|result)\b", {"do": "show", "view": "after"}),
    (r"\bsave\b|\bexport\b|\bdownload\b", {"do": "save"}),
    (r"^help\b|\bhelp me\b|\bhow do i\b|\bwhat can you\b|^what('s| is| are) ", {"do": "help"}),
    (r"\b(perfect|looks? great|love it|spot on|exactly right)\b", {"do": "accept"}),
)
UNSUPPORTED = (
    r"\b(slim|smaller|bigger|thinner|younger|older|makeup|make-up|lipstick|mascara|blur|crop|haircut"
    r"|bald|shirt|dress|jacket|smile|reshape|swap|replace|hair colou?r|weight|muscles?|tattoo"
    r"|filter|rotate|straighten)\b"
)
TONES = (
    ("brightness", 1, r"\b(bright\w*|lighter|lighten)\b"),
    ("brightness", -1, r"\b(dark(er|en)|dimm?(er)?)\b"),
    ("temperature", 1, r"\bwarm\w*\b"), ("temperature", -1, r"\bcool\w*\b|\bcolder\b"),
    ("contrast", 1, r"\bcontrast\b"), ("colorfulness", 1, r"\bsaturat\w+|\bvivid\b|\bcolou?rful\b"),
)  # fmt: skip
AUTO = r"\b(retouch|do your (thing|magic)|make (me|her|him|it|us) (look|pretty)|fix everything)\b"
KEEP = (
    r"\b(keep|leave|spare|except|without|preserve|stays?"
    r"|(don'?t|do not|never) (\w+ )?(touch|remove|change|soften|lose|erase|alter))\b"
)
ALLOW = r"\b(you can|can now|okay to) (touch|remove|change|edit)\b"
RESTORE = r"\b(put|bring|get|give)\b.*\bback\b|\brestore\b"
FEEDBACK = ((r"\btoo (much|strong|far)\b|\bless\b|\bsofter\b|\bweaker\b", -1),
            (r"\bmore\b|\bstronger\b|\bnot enough\b", 1))  # fmt: skip
STRENGTHS = (
    (0.15, r"\b(barely|a hint)\b"),
    (0.3, r"\b(a (little )?bit|slightly|lightly|somewhat|a little|a touch)\b"),
    (0.8, r"\b(a lot|strongly|mostly|a good deal|heavily)\b"),
    (0.5, r"\b(soften|reduce|fade|tone|calm|ease|lessen|minimi[sz]e|even|whiten|smooth|matte"
          r"|lighten|less|decrease|diminish)\b"),
)  # fmt: skip
SIDES = (("photo_left", r"\b(photo|camera|picture)[- ]left\b|\byour left\b"),
         ("photo_right", r"\b(photo|camera|picture)[- ]right\b|\byour right\b"),
         ("left", r"\bleft\b"), ("right", r"\bright\b"))  # fmt: skip
WHO = (("photo_left", r"\b(man|woman|person|guy|girl|one) on the left\b"),
       ("photo_right", r"\b(man|woman|person|guy|girl|one) on the right\b"),
       ("middle", r"\bin the middle\b"),
       ("everyone", r"\b(everyone|everybody|both of us)\b"))  # fmt: skip


def _patterns(table: dict[str, str]) -> list[tuple[str, re.Pattern[str]]]:
    """Names with a pattern for each of their phrases, plurals too, the longest phrase first."""
    pairs = [(phrase, name) for name, phrases in table.items() for phrase in phrases.split()]
    return [
        (name, re.compile(rf"\b{re.escape(phrase).replace('_', ' ')}(e?s)?\b"))
        for phrase, name in sorted(pairs, key=lambda pair: -len(pair[0]))
    ]


_PLACED = {"what", "where", "side", "who"}
_KINDS, _REGIONS = _patterns(KINDS), _patterns(REGIONS)
_CLAUSES = re.compile(
    r"[.;!?\n]+|,\s*|\b(?:and|then|also|plus|while|but)\b|(?=\b(?:except|without)\b)"
)


class KeywordParser:
    """Satisfies llm.parser.Parser. Always fully confident."""

    def parse(self, text: str, state: State | None = None) -> Parsed:
        """Look words up."""
        state = state or State()
        commands: list[dict[str, Any]] = []
        text = text.lower().replace("’", "'")
        whole = len(text.split()) < 4
        for clause in [text.replace(",", "")] if whole else _CLAUSES.split(text):
            commands += self._clause(clause.strip(), state, commands)
        return Parsed(Turn(commands=commands or [{"do": "chat"}]), 1.0)

    def _clause(self, clause: str, state: State, before: list[dict]) -> list[dict[str, Any]]:
        """The commands of one clause, of which `before` are those of the clauses before it."""
        kinds, rest = _found(_KINDS, clause)
        regions, _ = _found(_REGIONS, rest)
        regions += [region for region, pattern in IMPLIED if re.search(pattern, clause)]
        place: dict[str, Any] = {"where": regions} if regions else {}
        for name, table in (("who", WHO), ("side", SIDES)):
            found = next((value for value, pattern in table if re.search(pattern, clause)), None)
            if found and not ("who" in place and name == "side"):
                place[name] = found
        for pattern, command in META:
            if (not kinds or command["do"] in ("help", "show")) and re.search(pattern, clause):
                steps = [STEPS[word] for word in clause.split() if word in STEPS]
                return [command | ({"steps": steps[0]} if "steps" in command and steps else {})]
        if kinds:
            return [self._about(kind, clause, place, state, before) for kind in kinds]
        if re.search(UNSUPPORTED, clause):
            return [{"do": "unsupported", "phrase": clause}]
        if re.search(AUTO, clause):
            return [{"do": "auto", "strength": _strength(clause, 0.5)} | place]
        if re.search(KEEP, clause) and regions:
            return [{"do": "keep", "what": "everything"} | place]
        if re.search(RESTORE, clause):
            return [{"do": "restore", "what": "last"} | place]
        for attribute, sign, pattern in TONES:
            if re.search(pattern, clause):
                amount = _number(clause) or _amount(clause)
                sign = -sign if re.search(r"\btoo\b|\bless\b", clause) else sign
                return [{"do": "tone", "attribute": attribute, "amount": sign * amount} | place]
        for pattern, sign in FEEDBACK:
            if state.edits and re.search(pattern, clause):
                what = "everything" if re.search(r"\b(everything|all)\b", clause) else "last"
                return [{"do": "adjust", "what": what, "delta": sign * _delta(clause)} | place]
        return self._follow_up(clause, regions, state, before)

    def _follow_up(
        self, clause: str, regions: list[str], state: State, before: list[dict]
    ) -> list[dict[str, Any]]:
        """What a clause that names nothing says about the command or the edit before it."""
        number, last = _number(clause), find_edit(state, "last")
        if before and before[-1]["do"] == "reduce" and _strength(clause, -1) >= 0:
            before[-1]["strength"] = _strength(clause, 1.0)
        elif last is not None and last.what in KINDS and number is not None:
            return [{"do": "reduce", "strength": number} | last.model_dump(include=_PLACED)]
        elif last is not None and (change := re.search(r"\b(halve|double|max)\b", clause)):
            now = abs(last.strength)
            delta = {"halve": -now / 2, "double": min(now, 1 - now), "max": 1 - now}[change[0]]
            return [{"do": "adjust", "what": "last", "delta": delta}]
        if regions and before and before[-1]["do"] in ("reduce", "keep") and len(clause) < 25:
            before[-1]["where"] = [*before[-1].get("where", []), *regions]
        return []

    def _about(
        self, kind: str, clause: str, place: dict, state: State, before: list[dict]
    ) -> dict[str, Any]:
        """The command about a kind that a clause names."""
        command = {"what": kind} | place
        said = {"phrase": clause} if kind == "other" else {}
        if re.search(ALLOW, clause):
            return {"do": "allow"} | command
        bare = len(clause.split()) <= 3 and not re.search(r"^(no|remove|less)\b", clause)
        standing = re.search(r"\b(always|from now on|never)\b", clause)
        always = {"always": True} if standing else {}
        if re.search(KEEP, clause) or (bare and before and before[-1]["do"] == "keep"):
            return {"do": "keep"} | command | said | always
        if re.search(RESTORE, clause):
            return {"do": "restore"} | command
        for pattern, sign in FEEDBACK:
            if find_edit(state, kind) is not None and re.search(pattern, clause):
                return {"do": "adjust", "delta": sign * _delta(clause)} | command
        strength = {"strength": _strength(clause, 1.0)}
        return {"do": "reduce"} | command | strength | said | always


def _found(patterns: list[tuple[str, re.Pattern[str]]], text: str) -> tuple[list[str], str]:
    """Names whose phrases stand in a text, in its order, and the text without these phrases."""
    places: dict[str, int] = {}
    for name, pattern in patterns:
        if match := pattern.search(text):
            places.setdefault(name, match.start())
            text = pattern.sub(lambda found: "~" * len(found[0]), text)
    return sorted(places, key=places.__getitem__), text


def _number(clause: str) -> float | None:
    shares = [one.value for one in split(clause[:200]).numbers.values() if not one.plain]
    return shares[0] if shares else None


def _strength(clause: str, otherwise: float) -> float:
    number = _number(clause)
    if number is not None:
        return number
    return next((s for s, pattern in STRENGTHS if re.search(pattern, clause)), otherwise)


def _delta(clause: str) -> float:
    if re.search(r"\b(a (little )?bit|a touch|slightly|a little)\b", clause):
        return 0.1
    if re.search(r"\b(a lot|much|way) (more|less|stronger|too)\b", clause):
        return 0.4
    return _number(clause) or 0.2


def _amount(clause: str) -> float:
    if re.search(r"\b(a (little )?bit|a touch|slightly|a little)\b", clause):
        return 0.15
    return 0.6 if re.search(r"\b(a lot|much)\b", clause) else 0.3
