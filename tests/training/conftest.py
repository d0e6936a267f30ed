"""A real face with its dense landmarks, without the data set: the astronaut by our own network."""

from __future__ import annotations

import pytest
import skimage.data
import torch

from training.imperfections.base import Base
from training.imperfections.render import write_sample
from training.painted import Batch, PaintedCrops, to_batch
from vision import photo, pipeline
from vision.detector import NetworkConfig


@pytest.fixture(scope="session")
def base() -> Base:
    face = pipeline.analyse(photo.load(skimage.data.astronaut())).faces[0]
    return Base(face.crop, face.regions, blur=0.9)


@pytest.fixture(scope="session")
def painted(base: Base, tmp_path_factory):
    """A folder of samples of one face."""
    folder = tmp_path_factory.mktemp("run") / "painted"
    folder.mkdir()
    for seed in range(6):
        write_sample(folder / f"{seed:02d}-00000.npz", base, seed)
    return folder


@pytest.fixture(scope="session")
def tiny() -> NetworkConfig:
    """As small as the network gets, for tests of the training itself."""
    return NetworkConfig(
        widths=(8, 16, 16, 16), depths=(2, 2, 2, 2), decoder_depths=(1, 1, 1),
        refine_depth=1, features=8, blocks=2, heads=2,
    )  # fmt: skip


@pytest.fixture
def batch(painted) -> Batch:
    """Eight crops of 64 px."""
    rng = torch.Generator().manual_seed(0)
    return to_batch(next(iter(PaintedCrops(painted, 64, seed=2, batch=8))), rng)
