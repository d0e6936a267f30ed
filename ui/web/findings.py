"""What is found on a photo, to handle: the panel below the picture, and what its controls do.

Handling something in the panel is the same as saying it: each control becomes an `Act` of the
conversation.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from agent.progress import Watch
from agent.questions import WhichFace
from agent.words import are, listed, plain
from llm.commands import Turn, Who
from ui.web.overlay import COLOURS, Overlay
from ui.web.turns import Act
from vision.errors import FreckleError
from vision.vocabulary import LEARNT_KINDS, SKIN_KINDS, TEETH_KINDS, Kind

if TYPE_CHECKING:
    from agent import Session
    from agent.outcome import Reply
    from agent.overview import Finding
    from vision.spots import Spot

# Names of one mark, after "this".
_ONE: dict[Kind, str] = {
    "acne": "pimple", "freckles": "freckle", "moles": "mole", "dark_spots": "dark spot",
    "wrinkles": "wrinkle", "dark_circles": "dark circle", "redness": "redness",
    "shine": "shine", "eye_bags": "eye bag", "stubble": "stubble", "yellow_teeth": "tooth",
    "scars": "scar",
}  # fmt: skip


# -- acts ----------------------------------------------------------------------------------------


def act_of(said: Mapping[str, Any], overlay: Overlay | None) -> Act:
    """What a control of the page stands for.

    Raises:
        FreckleError: no control says such a thing; or the mark it is about is no longer chosen.
    """
    value = said.get("value")
    match said.get("do"):
        case "strength" if isinstance(value, int | float) and 0 <= value <= 100:
            return strength(kind_of(said), value)
        case "keep" if isinstance(value, bool):
            return keep(kind_of(said), value)
        case "step" if isinstance(value, int):
            return go_to(value)
        case "face" if isinstance(value, int):
            return look_at(value)
        case "keep-spot" | "remove-spot" as do:
            if overlay is None or overlay.spot is None:
                raise FreckleError("Click on a mark in the picture first.")
            return (keep_spot if do == "keep-spot" else remove_spot)(overlay.spot)
    raise FreckleError("That control does nothing I know of: please reload the page.")


def kind_of(said: Mapping[str, Any]) -> Kind:
    """The kind that a control is about; raises `FreckleError` where there is none."""
    for kind in LEARNT_KINDS:
        if said.get("kind") == kind:
            return kind
    raise FreckleError("That control is about nothing I can find: please reload the page.")


def strength(kind: Kind, percent: float) -> Act:
    """ "wrinkles to 40 %"."""

    def run(session: Session, watch: Watch) -> Reply:
        every = len(session.focus) in (1, len(session.analysis.faces))
        whos = _whos(session) if every else [None]  # faces chosen before are meant by none
        asked = {"do": "reduce", "what": kind, "strength": percent / 100}
        return session.perform(_turn(asked, whos), watch)

    return Act(f"{plain(kind)} to {percent:.0f} %", run)


def keep(kind: Kind, on: bool) -> Act:
    """ "keep the moles", or take that back."""

    def run(session: Session, watch: Watch) -> Reply:
        asked = {"do": "keep" if on else "allow", "what": kind}
        return session.perform(_turn(asked, _whos(session)), watch)

    return Act(f"keep the {plain(kind)}" if on else f"the {plain(kind)} may change again", run)


def _turn(asked: Mapping[str, Any], whos: Sequence[Who | None]) -> Turn:
    """One command a face, or for whoever is meant without a name, at the kind's usual place."""
    return Turn.model_validate({"commands": [{**asked, "who": who} for who in whos]})


def _whos(session: Session) -> list[Who | None]:
    """The faces in focus as commands name them."""
    count = len(session.analysis.faces)
    if count < 2:
        return [None]
    if len(session.focus) == count:
        return ["everyone"]
    return [face + 1 for face in session.focus]


def keep_spot(spot: Spot) -> Act:
    return Act(
        f"keep this {_ONE[spot.kind]}", lambda session, watch: session.keep(spot.mask, watch)
    )


def remove_spot(spot: Spot) -> Act:
    """Skin in its place; where there is none to put, that is refused."""
    if spot.kind in TEETH_KINDS:
        raise FreckleError("I can make teeth less yellow, but not take one away.")
    return Act(
        f"remove this {_ONE[spot.kind]}",
        lambda session, watch: session.fill(spot.mask, watch, what=spot.kind),
    )


def go_to(step: int) -> Act:
    """Back, or forth, to another of the session's steps."""

    def run(session: Session, watch: Watch) -> Reply | str:
        if step == session.at:
            return "There you are already."
        try:
            return session.go_to(step, watch)
        except IndexError:
            raise FreckleError("That step is no longer there.") from None

    return Act(f"to step {step}" if step else "to the photo as it was", run)


def look_at(face: int) -> Act:
    """A face put in focus, which also answers the question which one is meant."""

    def run(session: Session, watch: Watch) -> Reply | str:
        if isinstance(session.question, WhichFace):
            return session.say(str(face + 1), watch)
        try:
            session.look_at(face)
        except IndexError:
            raise FreckleError(f"There is no face {face + 1} in this photo.") from None
        return f"Face {face + 1} it is: what you ask for from here on is done there."

    return Act(f"face {face + 1}", run)


# -- panel ---------------------------------------------------------------------------------------


def greeting(session: Session) -> str:
    """What is said of a photo that was just looked at."""
    faces, kinds = (
        len(session.analysis.faces),
        [one.kind for one in session.findings() if one.found],
    )
    if not faces:
        return (
            "I found no face in this photo, so there is no skin for me to retouch. "
            "I can still change the light and colour of the whole picture."
        )
    number = "one face" if faces == 1 else f"{faces} faces"
    found = f": {listed(plain(kind) for kind in kinds)}" if kinds else ", and nothing to retouch"
    where = f" On number {session.focus[0] + 1}" if faces > 1 else ""
    text = f"I see {number}{'.' + where if where else ''}{found}."
    return f"{text} What would you like me to do?"


LOOKING = "<h2>Found</h2><p class='quiet'>Looking closely at the photo …</p>"
NOTHING = "<p class='quiet'>Nothing of what I know to look for.</p>"


def panel(session: Session, hidden: Container[Kind]) -> str:
    """What is found on the faces in focus, as HTML: a row a kind."""
    where = ""
    if len(session.analysis.faces) > 1:
        where = f" on face {listed(str(face + 1) for face in session.focus)}"
    rows = "".join(_row(finding, finding.kind not in hidden) for finding in session.findings())
    return f"<h2>Found{where}</h2>{rows or NOTHING}"


def _row(finding: Finding, shown: bool) -> str:
    kind, name = finding.kind, plain(finding.kind)
    percent = round(100 * finding.strength)
    return f"""
<div class="found" id="found-{kind}">
<label class="mark" style="--kind: {COLOURS[kind]}">
<input type="checkbox" id="show-{kind}" data-do="show" data-kind="{kind}"{_checked(shown)}
 aria-label="Show {name} on the photo"><i></i><span>{name}</span></label>
<span class="share">{share(finding.found)}</span>
<input type="range" id="strength-{kind}" data-do="strength" data-kind="{kind}" min="0" max="100"
 step="5" value="{percent}" aria-label="Strength: {name}" aria-valuetext="{percent} percent">
<output for="strength-{kind}">{percent} %</output>
<label class="keep"><input type="checkbox" role="switch" id="keep-{kind}" data-do="keep"
 data-kind="{kind}"{_checked(finding.kept)} aria-label="Keep {name} as {_they(kind)}">
<i></i>keep</label>
</div>"""


def share(found: float) -> str:
    """How much of the face, in short."""
    if found == 0:
        return "none seen"
    return "under 1 %" if found < 0.01 else f"{found:.0%}".replace("%", " %")


def _they(kind: Kind) -> str:
    return "it is" if are(kind) == "is" else "they are"


def _checked(on: bool) -> str:
    return " checked" if on else ""


def steps(session: Session) -> str:
    """Every state so far as a button; the present one is marked."""
    rows = "".join(
        f'<li><button id="step-{number}" data-do="step" data-value="{number}"'
        f"{' aria-current=step disabled' if number == session.at else ''}>"
        f"{plainly(line)}</button></li>"
        for number, line in enumerate(session.steps)
    )
    return f"<ol>{rows}</ol>"


def plainly(text: str) -> str:
    """Text that a page shows as it is, also where the page fills in templates."""
    return escape(text[:1].upper() + text[1:]).replace("{", "&#123;").replace("$", "&#36;")


def pointed(overlay: Overlay, session: Session) -> str:
    """What can be done with the mark that was chosen, a button that chooses the next, and the faces
    to choose from."""
    count = len(session.analysis.faces)
    faces = "".join(
        f'<button id="face-{n + 1}" data-do="face" data-value="{n}" '
        f'aria-pressed="{str(n in session.focus).lower()}">{n + 1}</button>'
        for n in range(count)
    )
    chooser = f'<span class="faces">Faces {faces}</span>' if count > 1 else ""
    if any(one.found for one in session.findings() if one.kind not in SKIN_KINDS):
        chooser = f'<button id="spot-next" data-do="next-spot">Next mark</button>{chooser}'
    if overlay.spot is None:
        marks = "Click a mark in the picture to keep or remove just that one."
        return f'<span class="hint">{marks}</span>{chooser}'
    name = _ONE[overlay.spot.kind]
    remove = f'<button id="spot-remove" data-do="remove-spot">Remove this {name}</button>'
    return (
        f'<span class="mark" role="status" style="--kind: {COLOURS[overlay.spot.kind]}"><i></i>'
        f"This {name}</span>"
        f'<button id="spot-keep" data-do="keep-spot">Keep this {name}</button>'
        f"{remove if overlay.spot.kind not in TEETH_KINDS else ''}{chooser}"
    )
