"""A real portrait, analysed once for all tests of vision."""

from __future__ import annotations

import pytest
import skimage.data

from vision import photo, pipeline


@pytest.fixture(scope="session")
def astronaut() -> pipeline.Analysis:
    return pipeline.analyse(photo.load(skimage.data.astronaut()))
