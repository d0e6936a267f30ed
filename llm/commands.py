"""The command contract: what one chat message means (spec: commands.md), as pydantic models.

A message becomes a `Turn`, an ordered, never empty list of commands. Unknown fields, kinds,
regions and numbers out of range are refused with pydantic's `ValidationError`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from vision.vocabulary import Kind, Region, Side, ToneAttribute, default_region

Who = (
    Annotated[int, Field(ge=1)]
    | Literal["photo_left", "photo_right", "middle", "largest", "smallest", "everyone"]
)
Strength = Annotated[float, Field(ge=0, le=1)]
Signed = Annotated[float, Field(ge=-1, le=1)]
Where = Annotated[list[Region], Field(min_length=1)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    def to_json(self) -> dict:
        """The command as the contract writes it: fields that say nothing are left out."""
        return self.model_dump(mode="json", exclude_none=True, exclude_defaults=False)


class _Placed(_Model):
    """A command about something at some place, on some face."""

    where: Where
    side: Side | None = None
    who: Who | None = None

    @model_validator(mode="before")
    @classmethod
    def _fill_default_region(cls, data):
        if isinstance(data, dict) and not data.get("where"):
            what = data.get("what")
            region = "image" if data.get("do") == "tone" else default_region(what or "")
            return {**data, "where": [region]}
        return data


class Reduce(_Placed):
    """Make an imperfection weaker: 0 leaves it, 1 removes it. Sets the strength."""

    do: Literal["reduce"] = "reduce"
    what: Kind
    strength: Strength
    phrase: str | None = None
    always: Literal[True] | None = None


class Keep(_Placed):
    """Never touch this; a hard constraint on every other command."""

    do: Literal["keep"] = "keep"
    what: Kind | Literal["everything"]
    phrase: str | None = None
    always: Literal[True] | None = None


class Allow(_Placed):
    """Lift a keep."""

    do: Literal["allow"] = "allow"
    what: Kind | Literal["everything"]


class Adjust(_Placed):
    """Feedback on an edit already made: change its strength by `delta`."""

    do: Literal["adjust"] = "adjust"
    what: Kind | Literal["last", "everything"]
    delta: Signed


class Restore(_Placed):
    """Bring the original back (strength to 0)."""

    do: Literal["restore"] = "restore"
    what: Kind | Literal["last", "everything"]


class Tone(_Placed):
    """Shift light or colour of a region by `amount`, added to what is there."""

    do: Literal["tone"] = "tone"
    attribute: ToneAttribute
    amount: Signed
    always: Literal[True] | None = None


class Auto(_Placed):
    """The request names nothing: retouch what is found, as this user usually likes it."""

    do: Literal["auto"] = "auto"
    strength: Strength


class Undo(_Model):
    do: Literal["undo"] = "undo"
    steps: Annotated[int, Field(ge=1)] = 1


class Redo(_Model):
    do: Literal["redo"] = "redo"
    steps: Annotated[int, Field(ge=1)] = 1


class Reset(_Model):
    do: Literal["reset"] = "reset"


class Accept(_Model):
    do: Literal["accept"] = "accept"


class Remember(_Model):
    do: Literal["remember"] = "remember"


class Forget(_Model):
    do: Literal["forget"] = "forget"
    what: Kind | Literal["everything"]


class Show(_Model):
    do: Literal["show"] = "show"
    view: Literal["before", "after", "split", "mask"]
    what: Kind | Literal["last", "everything"] | None = None


class Explain(_Model):
    do: Literal["explain"] = "explain"


class Save(_Model):
    do: Literal["save"] = "save"


class Help(_Model):
    do: Literal["help"] = "help"


class Chat(_Model):
    do: Literal["chat"] = "chat"


class Unsupported(_Model):
    """Outside of what retouching does here; `phrase` carries the user's words."""

    do: Literal["unsupported"] = "unsupported"
    phrase: str


Command = Annotated[
    Reduce | Keep | Allow | Adjust | Restore | Tone | Auto | Undo | Redo | Reset | Accept
    | Remember | Forget | Show | Explain | Save | Help | Chat | Unsupported,
    Field(discriminator="do"),
]  # fmt: skip


class Turn(_Model):
    """What one message asks for, in the user's order."""

    commands: Annotated[list[Command], Field(min_length=1)]

    @model_validator(mode="after")
    def _chat_stands_alone(self):
        if len(self.commands) > 1 and any(command.do == "chat" for command in self.commands):
            raise ValueError("chat stands alone: a turn with other commands cannot hold it")
        return self


class StateEdit(_Model):
    """One edit in force, as the parser is told about it."""

    what: Kind | ToneAttribute
    where: Where
    strength: Signed
    side: Side | None = None
    who: Who | None = None


class State(_Model):
    """What the parser is told about the conversation so far (commands.md, "state")."""

    edits: list[StateEdit] = []
    kept: list[Kind | Literal["everything"]] = []
    last: Annotated[int, Field(ge=0)] | None = None
    faces: Annotated[int, Field(ge=0)] = 1

    @model_validator(mode="after")
    def _last_is_an_edit(self):
        if self.last is not None and self.last >= len(self.edits):
            raise ValueError(f"last is {self.last} but there are {len(self.edits)} edits")
        return self
