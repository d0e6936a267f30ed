"""The commands that take a photo and leave files: retouch, apply, detect."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

from ui.outputs import Outputs
from vision.errors import NothingToDo
from vision.vocabulary import KINDS, Kind, Region

if TYPE_CHECKING:
    import numpy as np

    from agent import RetouchAgent
    from agent.session import Reply, Session
    from vision.pipeline import FaceAnalysis

# Places that `detect` tells apart; together they cover the face.
PLACES: tuple[Region, ...] = (
    "forehead", "between_brows", "temples", "under_eyes", "crows_feet", "nose", "cheeks",
    "smile_lines", "upper_lip", "chin", "jaw",
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

    out = out or default_output(photo)
    with Outputs([photo, *([region_mask] if region_mask else [])], overwrite=overwrite) as outputs:
        image = outputs.claim(out)
        files = {path: outputs.claim(path) for path in (report, recipe, mask) if path is not None}
        session, reply, text = retouch_photo(agent, photo, request, image, user, region_mask)
        if report is not None:
            outputs.write(files[report], to_json(reply.report.to_json() | {"reply": text}))
        if recipe is not None:
            outputs.write(files[recipe], session.recipe().to_json().encode())
        if mask is not None:
            outputs.write(files[mask], to_png(session.mask()))
    return f"{text.replace(str(image), str(out))}\n{out}"


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
        NothingToDo: understood, but nothing was changed.
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
        NothingToDo: nothing was filled, or there was nothing to fill and nothing was changed.
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
            raise NothingToDo(reply.text if reply.saved is None else "Nothing was changed.")
        said.append(reply.text)
    return reply, " ".join(said)


def apply_to_file(
    agent: RetouchAgent, photo: Path, recipe: Path, *, out: Path | None, overwrite: bool
) -> str:
    """Replay a recipe on its photo; returns where the result is."""
    from agent.recipe import Recipe, apply
    from agent.session import default_output

    out = out or default_output(photo)
    with Outputs([photo, recipe], overwrite=overwrite) as outputs:
        image = outputs.claim(out)
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
) -> str:
    """Where something is on each face, and how much; a mask of it where OUT is named.

    Raises:
        NothingToDo: no face, or the prompt means nothing that the detector knows.
    """
    import numpy as np

    with Outputs([photo], overwrite=overwrite) as outputs:
        place = outputs.claim(out) if out is not None else None
        analysis = agent.studio.analyse(agent.studio.load(photo))
        if not analysis.faces:
            raise NothingToDo(f"No face was found in {photo}, so there is nothing to look at.")
        found = [look(face, prompt) for face in analysis.faces]
        if place is not None:
            size = analysis.photo.height, analysis.photo.width
            owners = [face.marks(*meant(prompt)).owner for face in analysis.faces]
            whole = [
                face.alignment.to_photo(owner, size)
                for face, owner in zip(analysis.faces, owners, strict=True)
            ]
            outputs.write(place, to_png(np.max(whole, axis=0)))
    if as_json:
        return json.dumps({"prompt": prompt, "faces": found})
    return "\n".join(describe(number, face) for number, face in enumerate(found, start=1))


def meant(prompt: str) -> tuple[Kind, str | None]:
    """A kind by its name; anything else is the user's own words."""
    name = "_".join(prompt.lower().split())
    known = next((kind for kind in KINDS if kind == name and kind != "other"), None)
    return (known, None) if known else ("other", prompt)


def look(face: FaceAnalysis, prompt: str) -> dict:
    """What the detector sees of a prompt on one face.

    `found` is the share of the face area, `severity` its mean strength there, `where` the shares
    by region; all in 0..1. `as` is the kind whose channel answered.
    """
    from vision.pipeline import FOUND

    kind, phrase = meant(prompt)
    marks = face.marks(kind, phrase)
    area = marks.owner > FOUND
    shares = {place: round(face.found(kind, (place,), None, phrase), 5) for place in PLACES}
    return {
        "box": [round(value) for value in face.face.box],
        "as": marks.kind,
        "found": round(face.found(kind, ("face",), None, phrase), 5),
        "severity": round(float(marks.severity[area].mean()), 5) if area.any() else 0.0,
        "where": {place: share for place, share in shares.items() if share > 0},
    }


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
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def to_png(mask: np.ndarray) -> bytes:
    """A mask (H, W), bool or 0..1, as a greyscale PNG."""
    import numpy as np
    from PIL import Image

    file = io.BytesIO()
    grey = np.rint(np.clip(mask.astype(np.float32), 0, 1) * 255).astype(np.uint8)
    Image.fromarray(grey).save(file, format="PNG")
    return file.getvalue()
