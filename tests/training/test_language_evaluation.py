"""The language benchmark: what its columns count, the keyword rules, the table."""

from __future__ import annotations

import json
import math
from collections import Counter

import pytest
import typer
from typer.testing import CliRunner

from llm.commands import State, Turn
from llm.parser import Parsed
from training.evaluate import language
from training.evaluate.fuzz import MAKERS, fuzz, inputs
from training.evaluate.keywords import KeywordParser
from training.evaluate.scores import Score, evaluate
from training.evaluate.sentences import canonical, load_cases
from vision.errors import FreckleError


def turn(*commands: dict) -> Turn:
    return Turn.model_validate({"commands": list(commands)})


ACNE = {"do": "reduce", "what": "acne", "where": ["chin"], "side": "left", "strength": 1.0}


def score(given: list[dict], wanted: list[dict]) -> Score:
    one = Score()
    one.add(canonical(turn(*given), None), canonical(turn(*wanted), None))
    return one


def test_a_right_answer_is_right_in_every_column():
    one = score([ACNE], [ACNE])
    assert (one.accuracy, one.f1) == (1, 1)
    assert [one.share(name) for name in ("where", "side", "strength")] == [1, 1, 1]


@pytest.mark.parametrize(
    ("change", "column"),
    [({"where": ["nose"]}, "where"), ({"side": "right"}, "side"), ({"strength": 0.5}, "strength")],
)
def test_a_wrong_field_costs_its_own_column_alone(change, column):
    one = score([ACNE | change], [ACNE])
    assert (one.accuracy, one.f1) == (0, 0)
    shares = {name: one.share(name) for name in ("where", "side", "strength")}
    assert shares == {"where": 1, "side": 1, "strength": 1} | {column: 0}


def test_commands_about_something_else_make_no_pair():
    one = score([ACNE | {"what": "scars"}], [ACNE])
    assert one.pairs == Counter()
    assert math.isnan(one.share("where"))


def test_each_wanted_command_is_paired_once_with_the_most_alike():
    two = [ACNE, ACNE | {"where": ["nose"], "strength": 0.5}]
    assert score(two[::-1], two).share("strength") == 1
    assert score(two[:1], two).pairs["where"] == 1


def test_a_side_that_nobody_named_does_not_count():
    plain = {name: value for name, value in ACNE.items() if name != "side"}
    assert score([plain], [plain]).pairs["side"] == 0
    assert score([ACNE], [plain]).share("side") == 0


def test_a_change_that_nobody_asked_for_is_counted():
    sky = {"do": "unsupported", "phrase": "a blue sky"}
    talk = Score()
    for given, wanted in ((ACNE, sky), (sky, sky), ({"do": "chat"}, {"do": "help"}), (sky, ACNE)):
        talk.add(canonical(turn(given), None), canonical(turn(wanted), None))
    assert (talk.quiet, talk.unasked, talk.acted) == (3, 1, 1)
    talk.add(canonical(turn(ACNE), None), canonical(turn(sky), None), doubt=True)
    assert (talk.unasked, talk.doubts) == (2, 1) and talk.acted_on == 1 / 4
    assert math.isnan(score([ACNE], [ACNE]).overreach)


def test_calibration_is_the_gap_between_claim_and_truth():
    one, save, undo = Score(), [(("do", "save"),)], [(("do", "undo"),)]
    for right in (True, True, True, False):
        one.add(save, save if right else undo, confidence=0.75)
    assert one.ece == pytest.approx(0)
    one.add(save, undo, confidence=1.0)
    assert one.ece == pytest.approx(1 / 5)
    assert (one.confidence(True), one.confidence(False)) == (0.75, pytest.approx(0.875))


@pytest.mark.parametrize(
    ("text", "commands"),
    [
        (
            "soften the wrinkles but keep freckles",
            [{"do": "reduce", "what": "wrinkles", "strength": 0.5},
             {"do": "keep", "what": "freckles"}],
        ),
        ("remove the pimple on my left cheek", [ACNE | {"where": ["cheeks"]}]),
        ("redness by 30%", [{"do": "reduce", "what": "redness", "strength": 0.3}]),
        ("undo that, then save it", [{"do": "undo"}, {"do": "save"}]),
        ("make it a bit warmer", [{"do": "tone", "attribute": "temperature", "amount": 0.15}]),
        ("hello there", [{"do": "chat"}]),
    ],
)  # fmt: skip
def test_the_keyword_rules_are_an_honest_attempt(text, commands):
    parsed = KeywordParser().parse(text)
    assert canonical(parsed.turn, None) == canonical(turn(*commands), None)


def test_the_keyword_rules_use_the_conversation():
    state = State(edits=[{"what": "wrinkles", "where": ["forehead"], "strength": 0.6}], last=0)
    (less,) = KeywordParser().parse("a bit less", state).turn.commands
    assert (less.do, less.delta) == ("adjust", -0.1)
    (half,) = KeywordParser().parse("halve it", state).turn.commands
    assert half.delta == -0.3


def test_no_input_breaks_the_keyword_rules():
    found = fuzz(KeywordParser(), 40 * len(MAKERS))
    assert not found.broken
    assert f"| **all** | {found.valid.total()} | {found.refused.total()} | 0 |" in found.table()


def test_the_fuzz_is_a_function_of_its_seed_and_finds_what_breaks():
    assert list(inputs(30, seed=3)) == list(inputs(30, seed=3)) != list(inputs(30, seed=4))

    class Broken:
        def parse(self, text, state=None):
            if len(text) > 100:
                raise FreckleError("too long")
            if "\n" in text:
                raise FreckleError("two\nlines")
            if not text.isascii():
                raise KeyError(text)
            return Parsed(turn({"do": "chat"}), 1.0 + len(text) % 2)

    found = fuzz(Broken(), 20 * len(MAKERS))
    errors = {error.split(":")[0] for _, _, error in found.broken}
    assert errors == {"KeyError", "not one line", "AssertionError"}
    assert found.valid and found.refused["2,000-character pastes"]


class Echo:
    """Understands two messages, and is sure of one."""

    def parse(self, text, state=None):
        known = {"zap it": turn(ACNE), "hi": turn({"do": "chat"})}
        return Parsed(known.get(text, turn({"do": "help"})), 0.9 if text == "hi" else 0.4)


@pytest.fixture
def sentences(tmp_path):
    rows = [
        {"id": 1, "category": "simple", "text": "zap it", "commands": [ACNE]},
        {"id": 2, "category": "meta", "text": "hi", "commands": [{"do": "chat"}]},
        {"id": 3, "category": "meta", "text": "save", "accept": [[{"do": "save"}]]},
    ]
    file = tmp_path / "some.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    return file


def test_the_table_has_a_row_for_all_and_one_for_every_category(sentences):
    entry = language.Entry("echo", Echo, "json")
    lines = language.table([language.measure(entry, [sentences])], sentences).splitlines()
    assert len({line.count("|") for line in lines}) == 1
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    whole = dict(zip(language.COLUMNS, cells[2], strict=True))
    assert (whole["parser"], whole["n"], whole["exact"], whole["F1"]) == (
        "**echo**", "3", "66.7 %", "66.7 %"
    )  # fmt: skip
    assert (whole["sure if right"], whole["if wrong"]) == ("0.65", "0.40")
    assert {row[1]: row[3] for row in cells[3:]} == {
        "simple": "100.0 %", "meta": "50.0 %", "1 command": "66.7 %"
    }  # fmt: skip


def test_failures_are_kept_with_what_was_given(sentences):
    (failure,) = evaluate(Echo(), load_cases(sentences)).failures
    assert (failure[0].text, failure[1]) == ("save", turn({"do": "help"}))


def test_a_model_that_fails_asks_for_nothing_and_nobody_answers_for_it():
    alone = language.Alone("qwen3@http://127.0.0.1:9/v1")
    parsed = alone.parse("remove the acne")
    assert [command.do for command in parsed.turn.commands] == ["chat"]
    assert parsed.confidence == 0


def test_rows_are_measured_in_processes_of_their_own(sentences):
    entry = language.Entry("rules", language.keywords, "training.evaluate.keywords")
    (measured,) = language.compare([entry], [sentences])
    assert measured.results[sentences].total.cases == 3
    assert len(measured.long) == 20
    assert 0 < measured.memory < 4000


def test_the_command_wants_something_to_do():
    app = typer.Typer()
    app.command()(language.main)
    assert isinstance(CliRunner().invoke(app, []).exception, FreckleError)
