from __future__ import annotations

import pytest

from memory.preferences import Preferences
from vision.settings import Settings


@pytest.fixture
def file(tmp_path):
    return tmp_path / "data" / "deep" / "memory.db"


@pytest.fixture
def memory(file):
    return Preferences.load(Settings(database_url=f"sqlite:///{file}"))
