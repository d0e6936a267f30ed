"""Run by test_endurance as a program: processes that write at once, or until they are killed.

    python writers.py URL together PROCESSES TURNS
    python writers.py URL killed TIMES SEED     prints what was acknowledged, a number a line

Everything is imported before the first fork, so that a process costs next to nothing.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from functools import partial

from langchain_core.messages import AIMessage, HumanMessage

from memory.history import ChatHistory
from memory.preferences import Observation, Preferences
from memory.store import Store


def observation(number: int) -> Observation:
    """One that can be told from all others."""
    return Observation(
        kind="redness", region="face", polarity="reduce", strength=number / 1e6, source="accepted"
    )


def together(url: str, processes: int, turns: int) -> None:
    children = [_forked(partial(_turns, url, at, turns)) for at in range(processes)]
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    if any(codes):
        sys.exit(f"processes ended with {codes}")


def _turns(url: str, process: int, turns: int) -> None:
    memory = Preferences(Store(url))
    chat = ChatHistory(memory.store, "mia", f"visit {process}")
    for turn in range(turns):
        memory.learn("mia", [observation(process * turns + turn)])
        chat.add_messages([HumanMessage(f"message {turn}"), AIMessage(f"answer {turn}")])


def killed(url: str, times: int, seed: int) -> None:
    chance = random.Random(seed)
    Preferences(Store(url)).learn("mia", [observation(999_999)])
    for trial in range(times):
        reading, writing = os.pipe()
        child = _forked(partial(_acknowledging, url, trial * 1000, writing))
        os.close(writing)
        if trial % 2:
            os.read(reading, 0)
            _wait_for_byte(reading)
        time.sleep(chance.uniform(0, 0.06))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        with os.fdopen(reading) as acknowledged:
            numbers = acknowledged.read().split("\n")[:-1]
        print("\n".join(numbers), flush=True)


def _wait_for_byte(reading: int) -> None:
    """Until something was acknowledged, without taking it out of the pipe."""
    import select

    select.select([reading], [], [], 60)


def _acknowledging(url: str, first: int, writing: int) -> None:
    memory = Preferences(Store(url))
    for number in range(first, first + 1000):
        memory.learn("mia", [observation(number)])
        os.write(writing, f"{number}\n".encode())


def _forked(work) -> int:
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        work()
        code = 0
    finally:
        os._exit(code)


if __name__ == "__main__":
    url, what, first, second = sys.argv[1:]
    {"together": together, "killed": killed}[what](url, int(first), int(second))
