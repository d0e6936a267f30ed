"""How long a turn takes and how much memory it needs, by photo size.

Each size is measured in a fresh process, so loading counts in full and no size profits from the
one before. The photo is enlarged to the size asked for; content hardly matters for speed, the
number of faces does.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import typer

SIZES = (2.0, 12.0, 24.0)
REQUEST = "soften the wrinkles but keep freckles"


def measure(megapixels: float, photo: Path | None) -> dict[str, float]:
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

    opened = load(enlarged(megapixels, photo))
    with timed("parse"):
        parser.parse(REQUEST)
    with timed("analyse"):
        analysis = pipeline.analyse(opened)
        for face in analysis.faces:
            _ = face.detected
    keeps = (Keep("freckles", ("face",)),)
    plans = [Plan((Edit("wrinkles", ("face",), strength),), keeps) for strength in (0.5, 0.4)]
    with timed("render"):
        rendering = pipeline.render(analysis, plans[0])
    with timed("measure"):
        compare(analysis, plans[0], rendering)
    with timed("again"):
        pipeline.render(analysis, plans[1])
    return {"megapixels": megapixels, "faces": len(analysis.faces), **seconds, "peak_mib": peak()}


def enlarged(megapixels: float, photo: Path | None):
    """A Pillow image of the photo, or of the astronaut, with that many million pixels."""
    from PIL import Image, ImageOps
    from skimage import data

    image = Image.open(photo) if photo else Image.fromarray(data.astronaut())
    image = ImageOps.exif_transpose(image).convert("RGB")
    scale = (megapixels * 1e6 / (image.width * image.height)) ** 0.5
    size = round(image.width * scale), round(image.height * scale)
    return image.resize(size, Image.Resampling.LANCZOS)


def peak() -> int:
    """Most memory this process ever held, MiB (Linux counts in KiB)."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main(
    photo: Annotated[Path | None, typer.Option(help="instead of the astronaut")] = None,
    megapixels: Annotated[
        list[float] | None, typer.Option(help="sizes to measure, instead of 2, 12 and 24")
    ] = None,
) -> None:
    """Seconds for load, parse, analyse, first render, measure and re-render; peak memory."""
    for size in megapixels or SIZES:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
            print(json.dumps(fresh.submit(measure, size, photo).result()), flush=True)


if __name__ == "__main__":
    typer.run(main)
