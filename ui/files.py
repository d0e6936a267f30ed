"""The commands that take a photo and leave files: retouch, apply, detect."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

from llm.commands import Reduce
from ui.outputs import Outputs
from vision.errors import FreckleError, NothingToDo
from vision.vocabulary import (
    KINDS,
    LEARNT_KINDS,
    Region,
    default_region,
    expand_kind,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from agent import RetouchAgent
    from agent.outcome import Reply
    from agent.session import Session
    from vision.pipeline import FaceAnalysis

# Places that `detect` tells apart; together they cover the face.
PLACES: tuple[Region, ...] = (
    "forehead", "between_brows", "temples", "under_eyes", "crows_feet", "nose", "cheeks",
    "smile_lines", "upper_lip", "chin", "jaw", "teeth",
)  # fmt: skip


def retouch_file(
    agent: RetouchAgent,
    photo: Path,
    request: str,
    *,
    user: str | None,
    out: Path | None,
    report: Path | None,
    recipe: Path | None,
    mask: Path | None,
    overwrite: bool,
    region_mask: Path | None = None,
) -> str:
    """One request, one photo; returns the reply and where the result is.

    What `region_mask` marks is filled with skin first; the request may then be empty.

    Raises:
        NothingToDo: understood, but nothing was changed; then nothing is written.
    """
    from agent.session import default_output
    from vision.photo import check_ending

    out = out or default_output(photo)
    with Outputs([photo, *([region_mask] if region_mask else [])], overwrite=overwrite) as outputs:
        image = outputs.claim(out)
        check_ending(out)
        files = {path: outputs.claim(path) for path in (report, recipe, mask) if path is not None}
        if mask is not None:
            _check_png(mask)
        session, reply, text = retouch_photo(agent, photo, request, image, user, region_mask)
        text = text.replace(str(image), str(out))
        if report is not None:
            outputs.write(files[report], to_json(reply.report.to_json() | {"reply": text}))
        if recipe is not None:
            outputs.write(files[recipe], session.recipe().to_json().encode())
        if mask is not None:
            outputs.write(files[mask], to_png(session.mask()))
    return f"{text}\n{out}"


class NoWish(NothingToDo):
    """No change was asked for that can be made, or it is not sure which."""


def retouch_photo(
    agent: RetouchAgent,
    photo: Path,
    request: str,
    image: Path,
    user: str | None = None,
    region_mask: Path | None = None,
) -> tuple[Session, Reply, str]:
    """Write one photo, retouched, to `image`; returns the last reply, and all that was said.

    Raises:
        NothingToDo: understood, but nothing was changed; `NoWish` where nothing was to be looked
            for.
    """
    session = agent.open(photo, user=user, ask=False, save_to=image)
    reply, text = _obey(session, request, region_mask)
    if not (session.result.pixels != session.photo.pixels).any():
        raise NothingToDo(f"{text} Nothing was changed.")
    session.save(image, overwrite=True, learn=False)  # nobody has seen it yet
    return session, reply, text


def _obey(session: Session, request: str, region_mask: Path | None) -> tuple[Reply, str]:
    """Fill what is marked, then do what is asked; the last reply, and all that was said.

    Raises:
        NothingToDo: nothing was filled, or there was nothing to fill and nothing was changed;
            `NoWish` where nothing was to be looked for.
    """
    said = []
    if region_mask is not None:
        reply = session.fill(region_mask)
        if reply.exit_code:
            raise NothingToDo(reply.text)
        said.append(reply.text)
    if region_mask is None or request.strip():
        reply = session.say(request)
        if reply.exit_code and not said:
            text = reply.text if reply.saved is None else "Nothing was changed."
            raise NothingToDo(text) if reply.sought else NoWish(text)
        said.append(reply.text)
    return reply, " ".join(said)


def apply_to_file(
    agent: RetouchAgent, photo: Path, recipe: Path, *, out: Path | None, overwrite: bool
) -> str:
    """Replay a recipe on its photo; returns where the result is."""
    from agent.recipe import Recipe, apply
    from agent.session import default_output
    from vision.photo import check_ending

    out = out or default_output(photo)
    with Outputs([photo, recipe], overwrite=overwrite) as outputs:
        image = outputs.claim(out)
        check_ending(out)
        result = apply(agent.studio.load(photo), Recipe.read(recipe), agent.studio)
        agent.studio.save(result, image, overwrite=False)
    return str(out)


def detect_in_file(
    agent: RetouchAgent,
    photo: Path,
    prompt: str,
    *,
    out: Path | None,
    as_json: bool,
    overwrite: bool,
) -> tuple[str, bool]:
    """Where something is on each face, and how much, and whether it is anywhere; a mask of it where
    OUT is named.

    Raises:
        NothingToDo: no face, or the prompt means nothing that the detector knows.
    """
    import numpy as np

    with Outputs([photo], overwrite=overwrite) as outputs:
        place = outputs.claim(out) if out is not None else None
        if out is not None:
            _check_png(out)
        analysis = agent.studio.analyse(agent.studio.load(photo))
        if not analysis.faces:
            raise NothingToDo(f"No face was found in {photo}, so there is nothing to look at.")
        sought = meant(prompt, agent)
        seen = _seen(analysis.faces, sought)
        found = [one.to_json() for one in seen]
        anything = any(one["found"] for one in found)
        if place is not None and not anything:
            outputs.give_up(place)
        elif place is not None:
            size = analysis.photo.height, analysis.photo.width
            canvas = np.zeros(size, np.uint8)
            for one in seen:
                x0, y0, x1, y1 = block = one.face.alignment.bounds(*size)
                part = canvas[y0:y1, x0:x1]
                owner = one.face.alignment.to_photo(one.owner, size, block)
                np.maximum(part, np.rint(owner * 255).astype(np.uint8), out=part)
            outputs.write(place, to_png(canvas))
    if as_json:
        return json.dumps({"prompt": prompt, "faces": found}), anything
    lines = (describe(number, face) for number, face in enumerate(found, start=1))
    return "\n".join(lines), anything


def _seen(faces: Sequence[FaceAnalysis], sought: list[Reduce]) -> list[Seen]:
    """What is seen on each face; on one that a wish for named faces leaves out, not that.

    Raises:
        NothingToDo: nobody is where the prompt says.
    """
    from agent.scene import named_faces

    boxes = tuple(face.face.box for face in faces)
    meant = [named_faces(wish.who or "everyone", boxes) for wish in sought]
    if not any(meant):
        raise NothingToDo(f"There is no such face: {len(faces)} found.")
    return [
        Seen(face, [(wish, at in theirs) for wish, theirs in zip(sought, meant, strict=True)])
        for at, face in enumerate(faces)
    ]


def _check_png(mask: Path) -> None:
    if mask.suffix.lower() != ".png":
        raise FreckleError(f"{mask}: a mask is a PNG; name a file that ends in .png")


def meant(prompt: str, agent: RetouchAgent) -> list[Reduce]:
    """What to look for, and where: a kind by its name; else what the parser takes for a wish to
    remove it; else the user's own words, anywhere on the face.

    Raises:
        FreckleError: the prompt is empty, or too long to be read.
    """
    if not prompt.strip():
        raise FreckleError("the prompt is empty: say what to look for")
    name = "_".join(prompt.lower().split())
    for kind in KINDS:
        if kind == name and kind != "other":
            return [Reduce(what=kind, where=[default_region(kind)], strength=1)]
    turn = agent.parser.parse(f"remove {prompt.strip()}").turn
    wishes = [
        command.model_copy(update={"phrase": command.phrase or prompt})
        for command in turn.commands
        if isinstance(command, Reduce)
    ]
    return wishes or [Reduce(what="other", where=["face"], strength=1, phrase=prompt)]


class Seen:
    """What the detector sees of some kinds at some places of one face, of those meant `here`.

    Attributes:
        face: the face.
        kinds: what answered; a group is itself.
        owner: (512, 512) float32 0..1, the share of the pixel, at these places.

    Raises:
        KindNotLearnt: one of them was never learnt, or the words mean none.
    """

    def __init__(self, face: FaceAnalysis, sought: list[tuple[Reduce, bool]]) -> None:
        import numpy as np

        from vision.engine import FOUND

        self.face = face
        self.kinds: list[str] = []
        self.owner = np.zeros_like(face.skin)
        self._severity = np.zeros_like(face.skin)
        self._area = np.zeros(face.skin.shape, bool)
        for wish, here in sought:
            place = face.place(tuple(wish.where), wish.side) * here
            single = expand_kind(wish.what)
            marks = [
                face.marks(kind, wish.phrase)
                for kind in single
                if len(single) == 1 or kind in LEARNT_KINDS
            ]
            owner = np.sum([one.owner for one in marks], axis=0)
            severity = np.max([one.severity for one in marks], axis=0)
            area = (owner > FOUND) & (place > 0.5)
            self._area |= area
            self.owner = np.maximum(self.owner, owner * place)
            self._severity = np.maximum(self._severity, severity * area)
            self.kinds.append(marks[0].kind if len(single) == 1 else wish.what)

    def to_json(self) -> dict:
        """In numbers.

        `found` is the share of the face area, `severity` the mean strength there, `where` the
        shares by region; all in 0..1. `as` names the kinds whose channels answered.
        """
        shares = {place: self._share(self.face.place((place,)) > 0.5) for place in PLACES}
        return {
            "box": [round(value) for value in self.face.face.box],
            "as": " and ".join(dict.fromkeys(self.kinds)),
            "found": self._share(self._area),
            "severity": round(float(self._severity[self._area].mean()), 5)
            if self._area.any()
            else 0.0,
            "where": {place: share for place, share in shares.items() if share > 0},
        }

    def _share(self, part: np.ndarray) -> float:
        return round(self.face.share(self._area & part), 5)


def describe(number: int, face: dict) -> str:
    """One face of `detect` in words."""
    where = sorted(face["where"], key=lambda place: -face["where"][place])
    places = f", most of it on: {', '.join(where[:3]).replace('_', ' ')}" if where else ""
    return (
        f"face {number}: {face['as'].replace('_', ' ')} on {face['found']:.2%} of the face, "
        f"severity {face['severity']:.2f}{places}"
    )


def to_json(value: object) -> bytes:
    """Indented JSON, a line break at the end."""
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    return text.encode(errors="backslashreplace")  # bytes of a name that are no text, as JSON does


def to_png(mask: np.ndarray) -> bytes:
    """A mask (H, W), bool or of 0..255, as a greyscale PNG."""
    import numpy as np
    from PIL import Image

    file = io.BytesIO()
    grey = mask if mask.dtype == np.uint8 else np.uint8(255) * mask
    Image.fromarray(grey).save(file, format="PNG")
    return file.getvalue()
