"""How long a turn takes and how much memory it needs, by photo size.

Each size is measured in a fresh process, so loading counts in full and no size profits from the
one before. The photo is enlarged to the size asked for, and set side by side for several faces;
content hardly matters for speed, the number of faces does. A second table compares what one aligned
512-px face costs by the network, by a Swin-style network of its size and by plain filters, on the
same cores in the same run.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import typer

SIZES = (1.0, 2.0, 12.0, 24.0, 50.0)
CROWDS = (2, 4, 8)  # faces on a photo of 12 megapixels
REQUEST = "soften the wrinkles but keep freckles"


def measure(megapixels: float, photo: Path | None, faces: int = 1) -> dict[str, float]:
    """Seconds of every step and the peak of resident memory in MiB, in this process.

    `load` holds all imports and weights, `render` the first result of a plan, `again` the same
    plan at another strength.
    """
    seconds: dict[str, float] = {}

    @contextmanager
    def timed(name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        seconds[name] = round(time.perf_counter() - start, 3)

    with timed("load"):
        from llm.embedded import EmbeddedParser
        from vision import engine, pipeline
        from vision.measure import measure as compare

        parser = EmbeddedParser.load()
        engine.engine()
    from vision.photo import load
    from vision.plan import Edit, Keep, Plan

    opened = load(enlarged(megapixels, photo, faces))
    with timed("parse"):
        parser.parse(REQUEST)
    with timed("analyse"):
        analysis = pipeline.analyse(opened)
        for face in analysis.faces:
            _ = face.detected
    keeps = (Keep("freckles", ("face",)),)
    everyone = range(len(analysis.faces))
    plans = [
        Plan(tuple(Edit("wrinkles", ("face",), strength, face) for face in everyone), keeps)
        for strength in (0.5, 0.4)
    ]
    with timed("render"):
        rendering = pipeline.render(analysis, plans[0])
    with timed("measure"):
        compare(analysis, plans[0], rendering)
    with timed("again"):
        pipeline.render(analysis, plans[1])
    return {"megapixels": megapixels, "faces": len(analysis.faces), **seconds, "peak_mib": peak()}


def enlarged(megapixels: float, photo: Path | None, faces: int = 1):
    """A Pillow image of the photo, or of the astronaut, `faces` times side by side, with that many
    million pixels."""
    from PIL import Image, ImageOps
    from skimage import data

    image = Image.open(photo) if photo else Image.fromarray(data.astronaut())
    image = ImageOps.exif_transpose(image).convert("RGB")
    row = Image.new("RGB", (faces * image.width, image.height))
    for index in range(faces):
        row.paste(image, (index * image.width, 0))
    scale = (megapixels * 1e6 / (row.width * row.height)) ** 0.5
    size = round(row.width * scale), round(row.height * scale)
    return row.resize(size, Image.Resampling.LANCZOS)


def one_face(runs: int = 5) -> dict[str, float]:
    """Median seconds, after one run to warm up, for all that the network does to one aligned face,
    and for its rivals, in this process."""
    import numpy as np
    import torch
    from skimage import data

    from training.baselines import Sight, SwinStyle
    from training.evaluate.filters import FILTERS
    from training.painted import place_map
    from vision import engine, pipeline
    from vision.photo import load
    from vision.surroundings import skin_tone

    face = pipeline.analyse(load(data.astronaut())).faces[0]
    crop, on, network = face.crop, face.surfaces, engine.engine()
    found = network.detect(crop, on)
    asked = (network.kinds.index("acne"),)
    swin = SwinStyle(network.network.config).eval()
    swin = swin.to(network.device, memory_format=torch.channels_last)
    photo = (crop / 255).astype(np.float32)
    shown = (photo, on.skin[..., None], place_map().transpose(1, 2, 0))
    image, skin, place = (
        torch.from_numpy(x).permute(2, 0, 1)[None].to(network.device) for x in shown
    )
    sight = Sight(image, skin, place, skin_tone(image, skin))
    strengths = torch.ones(1, len(network.kinds), device=network.device)

    @torch.inference_mode()
    def rival() -> None:
        with network.autocast():  # as ours runs
            swin(sight, strengths)

    jobs: dict[str, Callable[[], object]] = {
        "detect": lambda: network.detect(crop, on),
        "heal, one pass": lambda: list(network.heal_in_passes(crop, on, found, asked, (1,))),
        "heal, as shipped": lambda: network.heal(crop, on, found, asked),
        "Swin-style network": rival,
        **{name: partial(apply, photo, on.skin) for name, apply in FILTERS.items()},
    }
    return {name: _median(job, runs) for name, job in jobs.items()}


def _median(job: Callable[[], object], runs: int) -> float:
    job()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        job()
        times.append(time.perf_counter() - start)
    return round(sorted(times)[runs // 2], 3)


def peak() -> int:
    """Most memory this process ever held, MiB (Linux counts in KiB)."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main(
    photo: Annotated[Path | None, typer.Option(help="instead of the astronaut")] = None,
    megapixels: Annotated[
        list[float] | None, typer.Option(help="sizes to measure, instead of 1 to 50")
    ] = None,
    faces: Annotated[
        list[int] | None, typer.Option(help="faces on a 12-MP photo, instead of 2, 4 and 8")
    ] = None,
) -> None:
    """Seconds for load, parse, analyse, first render, measure and re-render; peak memory."""
    jobs = [(size, photo, 1) for size in megapixels or SIZES]
    jobs += [(12.0, photo, count) for count in faces or ([] if megapixels else CROWDS)]
    for job in jobs:
        print(json.dumps(_afresh(measure, *job)), flush=True)
    print(json.dumps(_afresh(one_face)), flush=True)


def _afresh(job: Callable, *arguments):
    """What a job returns in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
        return fresh.submit(job, *arguments).result()


if __name__ == "__main__":
    typer.run(main)
