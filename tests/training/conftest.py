"""A real face with its dense landmarks, without the data set: the astronaut by our own network."""

from __future__ import annotations

import pytest
import skimage.data

from training.imperfections.base import Base
from vision import photo, pipeline


@pytest.fixture(scope="session")
def base() -> Base:
    face = pipeline.analyse(photo.load(skimage.data.astronaut())).faces[0]
    return Base(face.crop, face.regions, blur=0.9)
