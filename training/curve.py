"""`freckle train curve`: the losses of a run over its steps, as a picture.

Drawn as SVG by hand, a panel for each loss with a scale of its own; a PNG is made of that.
"""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from vision.errors import FreckleError

_PANEL, _PLOT, _LEFT, _TOP = (320, 200), (250, 130), 56, 40  # pixels
_COLUMNS = 3
_AVERAGED = 0.05  # share of a loss's lines that one point of the bold line is the mean of
_APART = ("step", "s")  # of a line of the log, what is no loss


def read_log(file: Path) -> dict[str, np.ndarray]:
    """Every loss (and the learning rate) of a log as (n, 2) steps and values; a loss is missing
    where its part stood still.

    Raises:
        FreckleError: there is no log, it is damaged, or it has no lines yet.
    """
    if not file.is_file():
        raise FreckleError(f"{file} does not exist; give the folder of a training run")
    numbers: dict[str, list[tuple[float, float]]] = {}
    for at, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            entry = json.loads(line)
            for name in entry.keys() - set(_APART):
                numbers.setdefault(name, []).append((entry["step"], float(entry[name])))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise FreckleError(f"{file}, line {at} is no line of a training log") from error
    if not numbers:
        raise FreckleError(f"{file} has no lines yet; wait for step 20")
    return {name: np.array(sorted(pairs)) for name, pairs in sorted(numbers.items())}


def smoothed(values: np.ndarray) -> np.ndarray:
    """(n,) running mean over `_AVERAGED` of all, over what there is at the ends."""
    window = np.ones(max(1, round(_AVERAGED * len(values))))
    there = np.convolve(np.ones_like(values), window, "same")
    return np.convolve(values, window, "same") / there


def draw(log: dict[str, np.ndarray], title: str) -> str:
    """All panels as one SVG document."""
    width, height = _PANEL
    last = max(pairs[-1, 0] for pairs in log.values())
    panels = [
        f'<g transform="translate({index % _COLUMNS * width} '
        f'{_TOP + index // _COLUMNS * height})">{_panel(name, pairs, last)}</g>'
        for index, (name, pairs) in enumerate(log.items())
    ]
    size = width * min(_COLUMNS, len(log)), _TOP + height * -(-len(log) // _COLUMNS)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size[0]}" height="{size[1]}" '
        'font-family="sans-serif" font-size="11" fill="#333">'
        '<rect width="100%" height="100%" fill="white"/>'
        f'<text x="{_LEFT}" y="24" font-size="14">{escape(title)}</text>{"".join(panels)}</svg>\n'
    )


def _panel(name: str, pairs: np.ndarray, last: float) -> str:
    """One loss: every line of the log thin, the running mean bold; the axis begins at 0."""
    (wide, high), steps, values = _PLOT, pairs[:, 0], pairs[:, 1]
    top = max(float(np.quantile(values, 0.99)), 1e-9)  # a single spike does not flatten the rest

    def line(of: np.ndarray, look: str) -> str:
        x, y = wide * steps / last, high * (1 - np.minimum(of / top, 1))
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
        return f'<polyline points="{points}" fill="none" {look}/>'

    return (
        f'<g transform="translate({_LEFT} 24)"><text y="-8" font-size="12">{escape(name)}</text>'
        f'<path d="M0 0V{high}H{wide}" fill="none" stroke="#999"/>'
        f'<text x="-6" y="8" text-anchor="end">{top:.3g}</text>'
        f'<text x="-6" y="{high}" text-anchor="end">0</text>'
        f'<text x="{wide}" y="{high + 16}" text-anchor="end">step {last:.0f}</text>'
        + line(values, 'stroke="#bcd" stroke-width="0.8"')
        + line(smoothed(values), 'stroke="#135" stroke-width="1.8"')
        + "</g>"
    )


def main(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="folder with log.jsonl")],
    out: Annotated[Path, typer.Option("-o", "--out", help="FILE.svg or FILE.png")],
) -> None:
    """Draw what a run's losses did, a panel each."""
    ending = out.suffix.lower()
    if ending not in (".svg", ".png"):
        raise FreckleError(f"{out}: name a file that ends in .svg or .png")
    picture = draw(read_log(folder / "log.jsonl"), f"{folder.name}: losses over steps").encode()
    if ending == ".png":
        import pyvips

        picture = pyvips.Image.svgload_buffer(picture).write_to_buffer(".png")
    try:
        out.write_bytes(picture)
    except OSError as error:
        raise FreckleError(f"cannot write {out}: {error.strerror}") from error
    print(f"wrote {out}")


if __name__ == "__main__":
    typer.run(main)
