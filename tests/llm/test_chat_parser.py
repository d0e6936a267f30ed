"""A model on a server: what is asked, what is understood, and who answers when it fails."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import langsmith
import pytest

from llm.chat_parser import ChatParser, ModelFailure, connect
from llm.commands import State, Turn
from llm.embedded import EmbeddedParser
from llm.parser import load_parser
from vision.errors import FreckleError
from vision.settings import Settings

WISH = "soften the wrinkles"
TURN = {"commands": [{"do": "reduce", "what": "moles", "where": ["nose"], "strength": 0.2}]}
STATE = State(kept=["moles"])


class Server(ThreadingHTTPServer):
    """Speaks OpenAI's chat protocol; `content`, `status`, `delay` and `finish` say how."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.status, self.delay, self.finish = json.dumps(TURN), 200, 0.0, "stop"
        self.asked: list[tuple[str, dict[str, Any], Message]] = []
        self.closing = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        known = json.loads(body) if self.path.endswith("completions") else {}
        self.server.asked.append((self.path, known, self.headers))
        self.server.closing.wait(self.server.delay)
        message = {"role": "assistant", "content": self.server.content}
        choice = {"index": 0, "finish_reason": self.server.finish, "message": message}
        answer = {"id": "1", "object": "chat.completion", "created": 1, "model": "m"}
        data = json.dumps({**answer, "choices": [choice]}).encode()
        try:
            self.send_response(self.server.status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        except BrokenPipeError:
            pass  # the client has given up, as it should

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.closing.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def embedded() -> EmbeddedParser:
    return EmbeddedParser.load()


@pytest.fixture(autouse=True)
def loaded_once(embedded: EmbeddedParser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EmbeddedParser, "load", lambda settings: embedded)


def settings(server: Server, **other: Any) -> Settings:
    return Settings(model=f"qwen3:4b@{server.url}", **other)


def test_the_server_is_asked_and_believed(server):
    parsed = load_parser(settings(server)).parse(WISH, STATE)
    assert parsed.turn == Turn.model_validate(TURN)
    assert (parsed.confidence, parsed.trouble) == (1.0, None)
    ((path, asked, headers),) = server.asked
    assert path == "/v1/chat/completions" and asked["model"] == "qwen3:4b"
    assert asked["temperature"] == 0
    system, user = asked["messages"]
    assert "retouching commands" in system["content"]
    assert WISH in user["content"] and '"kept": ["moles"]' in user["content"]
    schema = asked["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["commands"]["anyOf"][0]["maxItems"] == 10
    assert headers["Authorization"] == "Bearer none"


def test_keys_and_traces_stay_where_they_belong(server, monkeypatch):
    for name, value in {
        "OPENAI_API_KEY": "of-openai", "LANGSMITH_TRACING": "true", "LANGSMITH_API_KEY": "key",
        "LANGSMITH_ENDPOINT": server.url,
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    langsmith.utils.get_env_var.cache_clear()
    monkeypatch.setattr("langsmith.Client.create_run", lambda *_, **__: traced.append(1))
    traced: list[int] = []
    parser = load_parser(settings(server, api_key="of-mine"))
    assert parser.parse(WISH).turn == Turn.model_validate(TURN)
    langsmith.utils.get_env_var.cache_clear()
    assert not traced
    ((path, _, headers),) = server.asked
    assert path == "/v1/chat/completions" and headers["Authorization"] == "Bearer of-mine"


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"status": 500}, "qwen3:4b answered with error 500"),
        ({"status": 404}, "qwen3:4b answered with error 404"),
        ({"delay": 20.0}, "qwen3:4b did not answer in time"),
        ({"content": "Sure! I would soften them."}, "qwen3:4b gave no valid answer"),
        ({"content": ""}, "qwen3:4b gave no valid answer"),
        ({"content": '{"commands": []}'}, "qwen3:4b gave no valid answer"),
        ({"content": '{"commands": [{"do": "dance"}]}'}, "qwen3:4b gave no valid answer"),
        ({"content": "[1]"}, "qwen3:4b gave no valid answer"),
        ({"content": '{"commands": [{"do": "undo"}, '}, "qwen3:4b gave no valid answer"),
        # Cut off by the server's limit: half an answer must not be completed to a whole one.
        (
            {"content": '{"commands": [{"do": "undo"}', "finish": "length"},
            "did not finish its answer",
        ),
    ],
)
def test_where_the_server_fails_the_embedded_model_answers(server, how, why):
    for name, value in how.items():
        setattr(server, name, value)
    began = time.monotonic()
    parsed = load_parser(settings(server, model_timeout=0.5)).parse(WISH)
    assert parsed.turn.to_json()["commands"][0]["what"] == "wrinkles"
    assert parsed.trouble is not None and parsed.trouble.endswith(why)
    assert len(server.asked) == 1  # asked once: trying again would make the user wait
    assert time.monotonic() - began < 15


def test_a_server_that_is_not_there(server):
    url = server.url
    server.shutdown()
    server.server_close()
    parsed = load_parser(Settings(model=f"qwen3:4b@{url}")).parse(WISH)
    assert parsed.trouble == "qwen3:4b cannot be reached"
    with pytest.raises(ModelFailure, match="cannot be reached"):
        ChatParser(connect("qwen3:4b", url, Settings()), "qwen3:4b").parse(WISH)


def test_any_chat_model_of_langchain_will_do():
    from langchain_core.language_models import GenericFakeChatModel
    from langchain_core.messages import AIMessage
    from langchain_core.output_parsers import JsonOutputParser
    from langchain_core.runnables import RunnablePassthrough

    class Fake(GenericFakeChatModel):
        def with_structured_output(self, schema, *, include_raw=False, **kwargs):
            assert schema["title"] == "Turn" and include_raw
            raw = {"raw": self}
            return raw | RunnablePassthrough.assign(
                parsed=lambda found: JsonOutputParser().invoke(found["raw"])
            )

    model = Fake(messages=iter([AIMessage(json.dumps(TURN))]))
    parser = ChatParser(model, "fake")
    assert parser.parse(WISH).turn == Turn.model_validate(TURN)
    with pytest.raises(ModelFailure):  # it has nothing more to say
        parser.parse(WISH)


def test_names_that_name_no_model(tmp_path):
    with pytest.raises(FreckleError, match="NAME@http://localhost:8000/v1"):
        load_parser(Settings(model="http://localhost:8000/v1"))
    with pytest.raises(FreckleError, match="cannot load the language model"):
        load_parser(Settings(model=str(tmp_path)))


def test_a_folder_is_a_model_of_transformers(tiny):
    parsed = load_parser(Settings(model=str(tiny))).parse(WISH)
    assert Turn.model_validate(parsed.turn.to_json()) == parsed.turn
    assert parsed.trouble is None and parsed.confidence < 1


def test_the_embedded_parser_imports_none_of_it():
    code = (
        "import sys; from llm.parser import load_parser; from vision.settings import Settings\n"
        "load_parser(Settings()).parse('undo')\n"
        "print({'langchain_core', 'langsmith', 'transformers', 'xgrammar', 'openai'}"
        " & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_an_address_that_is_none_is_told():
    with pytest.raises(FreckleError, match="qwen3@http://localhost:PORT/v1"):
        load_parser(Settings(model="qwen3@http://localhost:PORT/v1"))


def test_words_after_an_answer_do_not_matter(server):
    server.content = f"```json\n{json.dumps(TURN)}\n```\nIt uses {{placeholders}}."
    parsed = load_parser(settings(server)).parse(WISH)
    assert parsed.trouble is None and parsed.turn == Turn.model_validate(TURN)
