"""What every test shares: nothing of the person who runs them is read or written."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_memory(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> str:
    """Memory and settings of this test alone; gives the database's URL."""
    nothing_set = tmp_path_factory.getbasetemp() / "freckle.toml"
    nothing_set.touch()
    url = f"sqlite:///{tmp_path / 'memory.db'}"
    monkeypatch.setenv("FRECKLE_DATABASE_URL", url)
    monkeypatch.setenv("FRECKLE_CONFIG", str(nothing_set))
    return url


@pytest.fixture(autouse=True)
def a_fresh_accelerator():
    """Accelerate keeps its precision for the whole process; runs of other tests need another."""
    yield
    if state := sys.modules.get("accelerate.state"):
        state.AcceleratorState._reset_state(reset_partial_state=True)
