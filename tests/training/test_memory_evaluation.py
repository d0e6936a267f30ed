"""The benchmark of memory: simulated people talk to the agent as it is."""

from __future__ import annotations

from training.evaluate.memory import MEMORIES, MOST_TURNS, simulate

SEED = 1000  # of development


def test_a_simulated_user_is_satisfied_with_every_kind_of_memory():
    for name in MEMORIES:
        ((first, second),) = simulate(name, [SEED], photos=2, fickle=False)
        assert 1 <= first.turns < MOST_TURNS and 1 <= second.turns < MOST_TURNS
        assert 0 <= first.error <= 1


def test_the_first_photo_knows_nothing_and_the_same_seed_is_the_same_person():
    names = list(MEMORIES)
    firsts = [simulate(name, [SEED], photos=1, fickle=False) for name in (names[0], names[-1])]
    assert firsts[0] == firsts[1]
