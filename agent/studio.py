"""Everything the agent asks of vision, in one object, so that tests and servers can swap it.

Models and imaging libraries are imported when they are first needed.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from vision.plan import Plan

if TYPE_CHECKING:
    from memory.scene import PhotoScene
    from vision.fill import Shared
    from vision.marked import Mask
    from vision.measure import Measurement
    from vision.photo import Photo
    from vision.pipeline import Analysis, Rendering
    from vision.settings import Settings
    from vision.spots import Spot
    from vision.vocabulary import Kind


class Studio(Protocol):
    """Opens, analyses, renders, measures and saves photos; `dtype` is what it computes in, and on
    the CPU on so many `threads`, which may be set."""

    threads: int

    @property
    def dtype(self) -> str: ...

    def load(self, source: Any) -> Photo: ...

    def save(self, photo: Photo, path: Path, overwrite: bool) -> Path: ...

    def analyse(self, photo: Photo) -> Analysis: ...

    def scene(self, analysis: Analysis, clip: str | None) -> PhotoScene:
        """What kind of photo it is; where it was taken only if a CLIP is named."""
        ...

    def share_out(self, analysis: Analysis, marked: Mask) -> Shared:
        """Which face fills which part of a mask of the photo."""
        ...

    def spread(self, analysis: Analysis, kind: Kind, face: int) -> Mask:
        """Where a face shows a kind."""
        ...

    def spot_at(self, analysis: Analysis, x: float, y: float) -> Spot | None:
        """The mark at a point of the photo."""
        ...

    def render(self, analysis: Analysis, plan: Plan) -> Rendering: ...

    def measure(self, analysis: Analysis, plan: Plan, rendering: Rendering) -> Measurement: ...

    def weights(self) -> dict[str, str]:
        """sha256 of every weight file that decides about pixels, by name."""
        ...


class LocalStudio:
    """The shipped vision models, in this process, where the settings say."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings

    @property
    def dtype(self) -> str:
        from vision.settings import Settings

        return (self.settings or Settings()).dtype

    @property
    def threads(self) -> int:
        import torch

        return torch.get_num_threads()

    @threads.setter
    def threads(self, threads: int) -> None:
        import torch

        torch.set_num_threads(threads)

    def load(self, source: Any) -> Photo:
        from vision import photo

        return photo.load(source)

    def save(self, photo: Photo, path: Path, overwrite: bool) -> Path:
        from vision import photo as files

        return files.save(photo, path, overwrite=overwrite)

    def analyse(self, photo: Photo) -> Analysis:
        from vision import pipeline

        return pipeline.analyse(photo, self.settings)

    def scene(self, analysis: Analysis, clip: str | None) -> PhotoScene:
        from memory import scene, setting

        boxes = [face.face.box for face in analysis.faces]
        place = setting.setting_of(analysis.photo, boxes, clip) if clip else None
        return scene.describe(analysis.photo, boxes, place)

    def share_out(self, analysis: Analysis, marked: Mask) -> Shared:
        from vision import fill

        return fill.share_out(analysis, marked)

    def spread(self, analysis: Analysis, kind: Kind, face: int) -> Mask:
        from vision import spots

        return spots.spread(analysis, kind, face)

    def spot_at(self, analysis: Analysis, x: float, y: float) -> Spot | None:
        from vision import spots

        return spots.spot_at(analysis, x, y)

    def render(self, analysis: Analysis, plan: Plan) -> Rendering:
        from vision import pipeline

        return pipeline.render(analysis, plan)

    def measure(self, analysis: Analysis, plan: Plan, rendering: Rendering) -> Measurement:
        from vision import measure

        return measure.measure(analysis, plan, rendering)

    def weights(self) -> dict[str, str]:
        import hashlib

        from vision.faces import MODEL_SHA256
        from vision.landmarks import WEIGHTS as LANDMARKS
        from vision.minilm import SHA256 as MINILM_SHA256
        from vision.weights_file import RETOUCH_FOLDER, SKIN_FOLDER

        folder = RETOUCH_FOLDER.parent
        shipped = {
            file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
            for pattern in ("*.safetensors", "*.json")  # gates and passes decide pixels, too
            for part in (RETOUCH_FOLDER, SKIN_FOLDER, LANDMARKS)
            for file in sorted(part.glob(pattern))
        }
        words = {"all-MiniLM-L6-v2": MINILM_SHA256}  # what words of the user's own are taken for
        return {"centerface.onnx": MODEL_SHA256, **words, **shipped}
