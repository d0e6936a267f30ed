"""A chat model as the parser: any langchain one, one of transformers, or one on a server.

A model that fails (no answer in time, an error, an answer outside the contract) does not stop the
conversation: the embedded parser answers, and says so in `Parsed.trouble`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from langsmith import tracing_context
from pydantic import ValidationError

from llm.commands import State, Turn
from llm.embedded import EmbeddedParser
from llm.parser import Parsed, Parser
from llm.prompt import TUNED, conversation, turn_schema
from vision.errors import FreckleError

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from vision.settings import Settings


class ModelFailure(FreckleError):
    """A chat model gave no answer that can be used; the message is a clause that says why."""


class ChatParser:
    """Words to commands by a chat model of langchain that offers structured output.

    name:       what the model is called in messages about it.
    instructed: the model has learnt the contract and need not be told.
    """

    def __init__(self, model: BaseChatModel, name: str, *, instructed: bool = False):
        self._ask = model.with_structured_output(turn_schema(), include_raw=True)
        self._name = name
        self._instructed = instructed

    def parse(self, text: str, state: State | None = None) -> Parsed:
        """Understand one message.

        Raises `ModelFailure` where the model does not, another `FreckleError` where the message is
        too long for it or a package is missing.

        The confidence is the geometric mean, over the commands, of the probability that the model
        gave its answer; 1 where it does not tell, as servers do not. It is not calibrated.
        """
        messages = conversation(text, state, instructed=self._instructed)
        try:
            # Messages are private, whatever LANGSMITH_TRACING says.
            with tracing_context(enabled=False):
                answer: Any = self._ask.invoke(messages)
        except FreckleError:
            raise
        except Exception as error:  # every provider has exceptions of its own
            raise ModelFailure(f"{self._name} {_failing(error)}") from error
        facts = answer["raw"].response_metadata
        if facts.get("finish_reason") == "length":
            raise ModelFailure(f"{self._name} did not finish its answer")
        raw = answer["raw"]
        if answer["parsed"] is None or not (raw.tool_calls or _whole(raw.content)):
            raise ModelFailure(f"{self._name} gave no valid answer")
        try:
            turn = Turn.model_validate(answer["parsed"])
        except ValidationError as error:
            raise ModelFailure(f"{self._name} gave no valid answer") from error
        return Parsed(turn, math.exp(facts.get("logprob", 0.0) / len(turn.commands)))


def _whole(content: Any) -> bool:
    """Whether an answer that is text holds whole JSON: langchain completes half of one."""
    if not isinstance(content, str) or not content.strip():
        return True  # the answer came another way
    try:
        json.JSONDecoder(strict=False).raw_decode(content, max(content.find("{"), 0))
    except ValueError:
        return False
    return True


def _failing(error: Exception) -> str:
    """What a model did, in a few words, from the exception of whatever provider."""
    names = " ".join(kind.__name__ for kind in type(error).__mro__)
    status = getattr(error, "status_code", None)
    if "Timeout" in names:
        return "did not answer in time"
    if "Connect" in names:
        return "cannot be reached"
    if "Length" in names:
        return "did not finish its answer"
    if status is not None:
        return f"answered with error {status}"
    if isinstance(error, ValueError | LookupError | TypeError):
        return "gave no valid answer"
    return f"failed ({type(error).__name__})"


class StandIn:
    """A parser with another one behind it, loaded when first needed, that answers in its place."""

    def __init__(self, first: Parser, load_second: Callable[[], Parser]):
        self._first, self._load_second = first, load_second

    @cached_property
    def _second(self) -> Parser:
        return self._load_second()

    def parse(self, text: str, state: State | None = None) -> Parsed:
        """The first one's answer, or the second's with the first one's trouble."""
        try:
            return self._first.parse(text, state)
        except ModelFailure as failure:
            return replace(self._second.parse(text, state), trouble=str(failure))


def load_chat_parser(settings: Settings) -> Parser:
    """The chat model that `settings.model` names, with the embedded parser behind it."""
    return StandIn(chat_parser(settings), lambda: EmbeddedParser.load(settings))


def chat_parser(settings: Settings) -> ChatParser:
    """The chat model that `settings.model` names, alone."""
    name, at, place = settings.model.partition("@http")
    if at:
        return ChatParser(connect(name, f"http{place}", settings), name)
    if name.startswith(("http://", "https://")):
        raise FreckleError(f"the model {name!r} names a server alone: write NAME@{name}")
    return _local(name, settings)


def connect(name: str, url: str, settings: Settings) -> BaseChatModel:
    """A model on a server that speaks OpenAI's protocol (vLLM, Ollama, llama.cpp ...).

    url: where the protocol starts, as in http://localhost:8000/v1.
    """
    try:
        from langchain_openai import ChatOpenAI
    except ImportError:
        raise FreckleError(
            "a model on a server needs langchain-openai: pip install 'freckle[openai]'"
        ) from None
    # A key is always given: the one in OPENAI_API_KEY belongs to OpenAI, not to any server.
    key = settings.api_key.get_secret_value() if settings.api_key else "none"
    try:
        return ChatOpenAI(
            model=name,
            base_url=url,
            api_key=key,
            temperature=0,
            timeout=settings.model_timeout,
            max_retries=0,
        )
    except Exception as error:  # each client library has its own for an address that is none
        raise FreckleError(
            f"the language model {name}@{url} cannot be reached ({error}): correct the address, as "
            "in NAME@http://localhost:8000/v1"
        ) from error


def _local(name: str, settings: Settings) -> ChatParser:
    from transformers.utils import cached_file

    from llm.chat_model import LocalChatModel

    model = LocalChatModel.load(name, device=settings.device, dtype=settings.dtype)
    tuned = cached_file(name, TUNED, _raise_exceptions_for_missing_entries=False)
    return ChatParser(model, name, instructed=tuned is not None)
