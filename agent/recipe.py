"""A recipe: everything needed to make the same pixels again from the same photo.

It holds no colours: the photo's digest, this program's version, the sha256 of every weight file,
the faces that were found, and the plan, with what was marked by hand as 1-bit PNGs. Replaying
refuses where any of these is another. Of the machine only the number of threads is noted, which
replaying uses again: on another kind of device, numbers may be rounded otherwise.
"""

from __future__ import annotations

from base64 import b64encode
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import Base64Bytes, BaseModel, ConfigDict, Field, ValidationError, model_validator

from agent.studio import LocalStudio, Studio
from llm.commands import Where
from vision.errors import FreckleError
from vision.plan import Edit, Fill, Keep, Opening, Plan, Tone
from vision.vocabulary import FACELESS, Kind, Region, Side, ToneAttribute

if TYPE_CHECKING:
    from vision.photo import Photo

VERSION: Final = 1
# Boxes of the same face differ by no more, in pixels.
SAME_BOX = 0.5


class RecipeError(FreckleError):
    """A recipe cannot be read, or does not belong to this photo or these weights."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Placed(_Model):
    where: Where
    face: Annotated[int, Field(ge=0)]
    side: Side | None = None
    phrase: str | None = None


class RecipeEdit(_Placed):
    """`vision.plan.Edit`, written down."""

    what: Kind
    strength: Annotated[float, Field(ge=0, le=1)]
    effort: Annotated[float, Field(gt=0)] = 1.0


class RecipeOpening(_Model):
    """`vision.plan.Opening`, written down."""

    where: Region
    face: Annotated[int, Field(ge=0)] | None = None
    side: Side | None = None


class RecipeKeep(_Model):
    """`vision.plan.Keep`, written down: one of a mask names no place, and `openings` are left out
    where there are none."""

    what: Kind | Literal["everything"]
    where: list[Region]
    face: Annotated[int, Field(ge=0)]
    side: Side | None = None
    phrase: str | None = None
    openings: list[RecipeOpening] | None = None
    mask: Base64Bytes | None = None

    @model_validator(mode="after")
    def _one_place(self) -> RecipeKeep:
        if bool(self.where) == (self.mask is not None):
            raise ValueError("a keep has a place or a mask")
        return self


class RecipeFill(_Model):
    """`vision.plan.Fill`, written down: the mask is a 1-bit PNG of the upright photo's size."""

    mask: Base64Bytes
    face: Annotated[int, Field(ge=0)]
    what: Kind | None = None


class RecipeTone(_Model):
    """`vision.plan.Tone`, written down; the whole photo and its background are of no face."""

    attribute: ToneAttribute
    where: Region
    amount: Annotated[float, Field(ge=-1, le=1)]
    face: Annotated[int, Field(ge=0)] | None = None
    side: Side | None = None

    @model_validator(mode="after")
    def _face_where_one_is_needed(self) -> RecipeTone:
        if (self.face is None) != (self.where in FACELESS):
            raise ValueError(f"the tone of {self.where} names {self.face or 'no'} face")
        return self


class Made(_Model):
    """Which call of which version made which file of which: `source` and `result` are the sha256
    of both files, `model` is what read the request."""

    freckle: str
    request: str
    user: str | None = None
    model: str
    source: str
    result: str


class Recipe(_Model):
    """What was done to one photo. `faces` are boxes x, y, width, height in upright pixels,
    `freckle` is the version of the program, `version` that of this format.

    `dtype` is what the networks computed in, left out for float32, `threads` on how many, for sums
    are rounded by their order; `fills` is left out where nothing was marked, `tones` where light
    and colour are the photo's, `made`, which replaying does not need, where no batch wrote it.
    """

    version: Literal[1] = VERSION
    freckle: str
    photo: str
    weights: dict[str, str]
    dtype: Literal["bfloat16"] | None = None
    threads: Annotated[int, Field(ge=1)] | None = None
    faces: list[tuple[float, float, float, float]]
    edits: list[RecipeEdit]
    keeps: list[RecipeKeep]
    fills: list[RecipeFill] | None = None
    tones: list[RecipeTone] | None = None
    made: Made | None = None

    @model_validator(mode="after")
    def _every_face_is_there(self) -> Recipe:
        openings = [opening for keep in self.keeps for opening in keep.openings or ()]
        placed_all = (*self.edits, *self.keeps, *(self.fills or ()), *(self.tones or ()), *openings)
        for placed in placed_all:
            if placed.face is not None and placed.face >= len(self.faces):
                raise ValueError(f"face {placed.face} of {len(self.faces)} is named")
        return self

    @classmethod
    def of(cls, photo: Photo, faces: list, plan: Plan, studio: Studio) -> Recipe:
        """The recipe of a plan on a photo, as a studio carries it out."""
        fills = [vars(fill) | {"mask": b64encode(fill.mask)} for fill in plan.fills]
        return cls.model_validate(
            {
                "freckle": metadata.version("freckle"),
                "photo": photo.digest,
                "weights": studio.weights(),
                "dtype": None if studio.dtype == "float32" else studio.dtype,
                "threads": studio.threads,
                "faces": faces,
                "edits": [vars(edit) | {"where": list(edit.where)} for edit in plan.edits],
                "keeps": [_written(keep) for keep in plan.keeps],
                "fills": fills or None,
                "tones": [vars(tone) for tone in plan.tones] or None,
            }
        )

    @classmethod
    def from_json(cls, text: str, name: str = "the recipe") -> Recipe:
        """Read a recipe; raises `RecipeError` naming what is wrong."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            if first["loc"] == ("version",) and first["type"] != "missing":
                raise RecipeError(
                    f"{name} has version {first['input']}, but this freckle reads {VERSION}: "
                    "use the freckle that wrote it"
                ) from None
            spot = ".".join(str(part) for part in first["loc"]) or "the file"
            raise RecipeError(f"{name} is not a recipe ({spot}: {first['msg']})") from None

    @classmethod
    def read(cls, path: str | Path) -> Recipe:
        """Read a recipe file; raises `RecipeError` naming the file."""
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise RecipeError(f"the recipe {path} cannot be read: {error}") from None
        return cls.from_json(text, str(path))

    def to_json(self) -> str:
        return self.model_dump_json(indent=2, exclude_none=True) + "\n"

    @property
    def plan(self) -> Plan:
        return Plan(
            edits=tuple(Edit(**_fields(edit)) for edit in self.edits),
            keeps=tuple(_keep(keep) for keep in self.keeps),
            fills=tuple(Fill(fill.mask, fill.face, fill.what) for fill in self.fills or ()),
            tones=tuple(Tone(**dict(tone)) for tone in self.tones or ()),
        )


def apply(photo: Photo, recipe: Recipe, studio: Studio | None = None) -> Photo:
    """Replay a recipe: the same photo, weights and version of this program give the same pixels.

    Raises `RecipeError` where any of them is another than that of the recipe, where other faces are
    found, or where a mask in it is none of this photo.
    """
    studio = studio or LocalStudio()
    if photo.digest != recipe.photo:
        raise RecipeError(
            "this is not the photo of the recipe: the pixels differ; apply it to the photo it was "
            "made from"
        )
    for number, fill in enumerate(recipe.plan.fills):
        _check_mask(fill.mask, photo, f"fills.{number}")
    for number, keep in enumerate(recipe.plan.keeps):
        if keep.mask is not None:
            _check_mask(keep.mask, photo, f"keeps.{number}")
    if (mine := metadata.version("freckle")) != recipe.freckle:
        raise RecipeError(
            f"the recipe was made with freckle {recipe.freckle}, and this is {mine}: other pixels "
            "may come of it; use the version that made it"
        )
    weights = studio.weights()
    different = sorted(dict(weights.items() ^ recipe.weights.items()))
    if different:
        raise RecipeError(
            f"the recipe was made with other weights ({', '.join(different)} differ): install the "
            "version of freckle that made it"
        )
    if (dtype := recipe.dtype or "float32") != studio.dtype:
        raise RecipeError(
            f"the recipe was made in {dtype}, and this is {studio.dtype}: other pixels come of it; "
            f"use --dtype {dtype}"
        )
    before = studio.threads
    studio.threads = recipe.threads or before
    try:
        return _replayed(photo, recipe, studio)
    finally:
        studio.threads = before


def _replayed(photo: Photo, recipe: Recipe, studio: Studio) -> Photo:
    import numpy as np

    analysis = studio.analyse(photo)
    if len(analysis.faces) != len(recipe.faces):
        raise RecipeError(
            f"the recipe is for {len(recipe.faces)} faces, but {len(analysis.faces)} are found"
        )
    boxes = [face.face.box for face in analysis.faces]
    if not np.allclose(boxes, recipe.faces, rtol=0, atol=SAME_BOX):
        raise RecipeError(
            "the faces of the recipe are found at other places: use the machine that made it"
        )
    return studio.render(analysis, recipe.plan).photo


def _check_mask(mask: bytes, photo: Photo, whose: str) -> None:
    from vision import marked

    try:
        marked.fit(marked.unpack(mask), photo)
    except marked.MaskError as error:
        raise RecipeError(f"{whose}.mask of the recipe is damaged: {error}") from None


def _written(keep: Keep) -> dict:
    openings = [vars(opening) for opening in keep.openings]
    mask = b64encode(keep.mask) if keep.mask is not None else None
    return vars(keep) | {"where": list(keep.where), "openings": openings or None, "mask": mask}


def _keep(written: RecipeKeep) -> Keep:
    openings = tuple(Opening(**dict(opening)) for opening in written.openings or ())
    return Keep(**_fields(written) | {"openings": openings})


def _fields(written: RecipeEdit | RecipeKeep) -> dict:
    return dict(written) | {"where": tuple(written.where)}
