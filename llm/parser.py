"""The seam between words and commands: whatever turns a message into a `Turn` is a `Parser`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from llm.commands import State, Turn
from vision.errors import FreckleError

if TYPE_CHECKING:
    from vision.settings import Settings


@dataclass(frozen=True)
class Reading:
    """One way to understand a message, and how probable the parser finds it (0..1)."""

    turn: Turn
    confidence: float


@dataclass(frozen=True)
class Parsed:
    """What one message means, and how sure the parser is (0..1).

    `alternatives` are other readings, the most probable first, no two alike; empty where the parser
    weighs none.
    `foreign`: the message is in a language that the parser does not know, so its turn is one
    `unsupported` that quotes it whole.
    `trouble` says why the model that was chosen did not answer itself ("qwen3 cannot be reached").
    """

    turn: Turn
    confidence: float
    foreign: bool = False
    trouble: str | None = None
    alternatives: tuple[Reading, ...] = ()


class Parser(Protocol):
    def parse(self, text: str, state: State | None = None) -> Parsed:
        """Understand one message, said in the conversation that `state` sums up.

        Raises FreckleError for a message that cannot be read (too long).
        """
        ...


def check_text(text: str) -> None:
    """Raises FreckleError for a message with bytes in it that are no text: it can be neither
    written down nor sent."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise FreckleError(f"the message {text!r} is no text: write it in UTF-8") from None


def load_parser(settings: Settings) -> Parser:
    """The parser that `settings.model` names; behind any but the embedded one stands that.

    Raises FreckleError for a model that cannot be loaded, or is no name of one.
    """
    if settings.model == "embedded":
        from llm.embedded import EmbeddedParser

        return EmbeddedParser.load(settings)
    from llm.chat_parser import load_chat_parser

    return load_chat_parser(settings)
