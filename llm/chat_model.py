"""Any causal model of transformers as a langchain chat model, with answers held to a JSON schema.

The schema is enforced while decoding (xgrammar masks every token that cannot continue a valid
answer), so that even an untrained model writes nothing else. Decoding is greedy: the same messages
give the same answer.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from operator import itemgetter
from typing import Any

import torch
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage, convert_to_openai_messages
from langchain_core.output_parsers import JsonOutputParser, PydanticOutputParser
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable, RunnableMap, RunnablePassthrough
from pydantic import BaseModel, ConfigDict, PrivateAttr
from safetensors import SafetensorError
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, LogitsProcessor

from llm.commands import Turn
from llm.prompt import render, turn_schema
from vision.errors import FreckleError
from vision.settings import device_of


class LocalChatModel(BaseChatModel):
    """A model and its tokenizer in this process. Calls are serialised: safe from any thread.

    Answers carry in `response_metadata` their log-probability (`logprob`, natural, of what the
    schema allows) and the `finish_reason`, "stop" or "length".
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    model: Any
    tokenizer: Any
    # Room for the longest answer that `turn_schema` allows, at a token a byte.
    max_new_tokens: int = 8192

    _lock: threading.Lock = PrivateAttr(default_factory=threading.Lock)
    _grammars: dict[str, Any] = PrivateAttr(default_factory=dict)

    @classmethod
    def load(cls, name: str, *, device: str = "cpu", dtype: str = "float32") -> LocalChatModel:
        """A model by its folder or hub id, or a PEFT adapter by its folder.

        Raises FreckleError where there is no causal model of that name.
        """
        try:
            tokenizer = AutoTokenizer.from_pretrained(name)
            model = AutoModelForCausalLM.from_pretrained(name, dtype=getattr(torch, dtype))
        except (OSError, ValueError, ImportError, SafetensorError) as error:
            why = str(error).strip().partition("\n")[0]
            raise FreckleError(
                f"cannot load the language model {name!r} ({why}): name the folder or the hub id "
                "of a causal model of transformers"
            ) from error
        return cls(name=name, model=model.to(device_of(device)).eval(), tokenizer=tokenizer)

    @property
    def _llm_type(self) -> str:
        return "freckle-local"

    def with_structured_output(
        self, schema: dict[str, Any] | type[BaseModel], *, include_raw: bool = False, **kwargs: Any
    ) -> Runnable[LanguageModelInput, Any]:
        """The model, writing nothing but JSON of `schema` (a JSON schema or a pydantic class).

        As langchain describes it: gives a dict or an instance; with `include_raw` a dict of "raw",
        "parsed" and "parsing_error". Strings and lists of a schema should be bounded.
        """
        parser: JsonOutputParser | PydanticOutputParser
        if isinstance(schema, dict):
            wanted, parser = schema, JsonOutputParser()
        else:
            if not (isinstance(schema, type) and issubclass(schema, BaseModel)):
                raise TypeError(f"a schema is a dict or a pydantic class, not {schema!r}")
            wanted = turn_schema() if schema is Turn else schema.model_json_schema()
            parser = PydanticOutputParser(pydantic_object=schema)
        model = self.bind(schema=wanted)
        if not include_raw:
            return model | parser
        parsed = RunnablePassthrough.assign(
            parsed=itemgetter("raw") | parser, parsing_error=lambda _: None
        )
        failed = RunnablePassthrough.assign(parsed=lambda _: None)
        return RunnableMap(raw=model) | parsed.with_fallbacks(
            [failed], exception_key="parsing_error"
        )

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        *,
        schema: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        prompt = render(self.tokenizer, convert_to_openai_messages(messages))
        inputs = self.tokenizer(prompt, add_special_tokens=False, return_tensors="pt")
        read = inputs["input_ids"].shape[1]
        context = getattr(self.model.config, "max_position_embeddings", None)
        room = self.max_new_tokens if context is None else min(self.max_new_tokens, context - read)
        if room < 1:
            raise FreckleError(f"the message is longer than the {context} tokens {self.name} reads")
        ends, watch = self._ends(), _Watch()
        with self._lock, torch.inference_mode():
            written = self.model.generate(
                **inputs.to(self.model.device),
                max_new_tokens=room,
                do_sample=False, temperature=None, top_p=None, top_k=None,
                eos_token_id=ends, pad_token_id=ends[0],
                logits_processor=[*self._held_to(schema), watch],
                stop_strings=stop, tokenizer=self.tokenizer,
            )[0, read:]  # fmt: skip
        ended = int(written[-1]) in ends
        if schema is not None and not ended:
            raise ValueError(f"{self.name} did not end its answer within {room} tokens")
        text = self.tokenizer.decode(written, skip_special_tokens=True)
        for mark in stop or ():
            cut, found, _ = text.partition(mark)
            text, ended = cut, ended or bool(found)
        facts = {"logprob": watch.logprob, "finish_reason": "stop" if ended else "length"}
        message = AIMessage(content=text, response_metadata=facts)
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _ends(self) -> list[int]:
        """The tokens that end an answer: the tokenizer's, and those of the model's own settings."""
        given = self.model.generation_config.eos_token_id
        known = given if isinstance(given, list) else [given]
        ends = {one for one in [self.tokenizer.eos_token_id, *known] if one is not None}
        if not ends:
            raise FreckleError(f"{self.name} has no token that ends an answer")
        return sorted(ends)

    def _held_to(self, schema: dict[str, Any] | None) -> Sequence[LogitsProcessor]:
        """What masks tokens that cannot continue an answer of `schema`; nothing without one."""
        if schema is None:
            return ()
        try:
            import xgrammar
            from xgrammar.contrib.hf import LogitsProcessor as Mask
        except ImportError:
            raise FreckleError(
                "a local language model needs xgrammar: pip install 'freckle[llm]'"
            ) from None
        text = json.dumps(schema)
        if text not in self._grammars:
            vocabulary = xgrammar.TokenizerInfo.from_huggingface(
                self.tokenizer,
                vocab_size=self.model.get_output_embeddings().weight.shape[0],
                stop_token_ids=self._ends(),
            )
            # Without free whitespace a model could not fill its room with blanks.
            self._grammars[text] = xgrammar.GrammarCompiler(vocabulary).compile_json_schema(
                text, any_whitespace=False
            )
        return (Mask(self._grammars[text]),)


class _Watch(LogitsProcessor):
    """Sums the log-probabilities of what greedy decoding takes, after all masks."""

    def __init__(self) -> None:
        self.logprob = 0.0

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        self.logprob += float(scores.log_softmax(-1).max())
        return scores
