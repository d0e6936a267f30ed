"""Portraits as files, and the command line in this process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image
from skimage import data

from ui.cli import run


@dataclass(frozen=True)
class Outcome:
    """What a call of the command line left behind."""

    code: int
    out: str
    err: str


@pytest.fixture
def freckle(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run `freckle ARGUMENTS...` and tell the exit code and what was printed."""

    def call(*arguments: object) -> Outcome:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return Outcome(code, printed.out, printed.err)

    return call


@pytest.fixture
def portrait(tmp_path: Path) -> Path:
    """The astronaut as a JPEG with a resolution tag to find again."""
    path = tmp_path / "portrait.jpg"
    Image.fromarray(data.astronaut()).save(path, quality=92, dpi=(144, 144))
    return path
