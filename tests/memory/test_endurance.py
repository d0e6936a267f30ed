"""What memory withstands: many writers, sudden death, a crowd. FRECKLE_LONG_TESTS=1: in full."""

from __future__ import annotations

import os
import random
import sqlite3
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from memory.history import ChatHistory
from memory.observation import Observation
from memory.scene import FEATURES, scene_of
from memory.store import ObservationRow

LONG = os.environ.get("FRECKLE_LONG_TESTS") == "1"
HERE = Path(__file__).parent


def write(url, *arguments):
    done = subprocess.run(
        [sys.executable, HERE / "writers.py", url, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(HERE.parents[1])},
        capture_output=True, text=True, timeout=1800,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def numbers(memory):
    return [round(one.strength * 1e6) for one in memory.why("mia", "redness")]


def test_eight_processes_that_write_at_once_lose_nothing(memory, url):
    turns = 250 if LONG else 10
    write(url, "together", 8, turns)
    assert sorted(numbers(memory)) == list(range(8 * turns))
    for process in range(8):
        messages = ChatHistory(memory.store, "mia", f"visit {process}").messages
        said = [f"{who} {turn}" for turn in range(turns) for who in ("message", "answer")]
        assert [message.content for message in messages] == said


def test_killed_at_any_moment_it_keeps_what_it_acknowledged(memory, url, tmp_path):
    output = write(url, "killed", 50 if LONG else 20, 7)
    acknowledged = {int(line) for line in output.split()}
    stored = numbers(memory)
    assert len(acknowledged) >= 5
    assert acknowledged <= set(stored)
    assert len(stored) == len(set(stored))
    memory.learn("mia", [memory.why("mia", "redness")[0]])
    if url.startswith("sqlite"):
        with sqlite3.connect(url.removeprefix("sqlite:///")) as link:
            assert link.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.skipif(not LONG, reason="a benchmark: set FRECKLE_LONG_TESTS=1")
def test_recall_among_a_hundred_thousand_observations_takes_ten_milliseconds(memory):
    chance = random.Random(3)
    memory.learn("user 0", [])
    with memory.store.writing() as session:
        for user in range(1000):
            session.execute(ObservationRow.__table__.insert(), _crowd(f"user {user}", chance))
    here = scene_of(dict.fromkeys(FEATURES, 0.5))
    memory.recall("user 7", here)
    seconds = []
    for user in range(100, 200):
        start = time.process_time()  # of this process alone: the machine may be busy
        assert memory.recall(f"user {user}", here)
        seconds.append(time.process_time() - start)
    print(f"recall: median {1000 * statistics.median(seconds):.1f} ms")
    assert statistics.median(seconds) <= 0.010


def _crowd(user, chance):
    """A hundred observations: twenty photos of five kinds."""
    rows = []
    for _ in range(20):
        scene = scene_of({name: chance.random() for name in FEATURES})
        for kind in ("acne", "wrinkles", "redness", "shine", "moles"):
            seen = Observation(
                kind=kind, region="face", polarity="reduce", strength=chance.random(),
                source="accepted", scene=scene,
            )  # fmt: skip
            rows.append(
                seen.model_dump() | {"user_name": user, "scene": scene.model_dump(mode="json")}
            )
    return rows
