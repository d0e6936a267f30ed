"""Whether a retouched person is still the same one to a network that recognises people.

MobileFaceNet (128 numbers a face) compares real photos with what Freckle makes of them. It judges
here and is used nowhere else: Freckle itself recognises nobody.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from training.faces import rows
from vision import pipeline
from vision.faces import similarity
from vision.photo import load
from vision.plan import Edit, Plan
from vision.vocabulary import LEARNT_KINDS, PERMANENT_KINDS, default_region

WEIGHTS = Path("../shared/weights/mobilefacenet_128d.onnx")
PHOTOS = 24
# Eyes, tip of the nose and corners of the mouth in the 112-px crop that ArcFace's networks expect.
TEMPLATE_112 = np.array(
    [(38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655),
     (70.7299, 92.2041)]
)  # fmt: skip
SIDE = 112


class Recogniser:
    """A face of a photo to 128 numbers of unit length.

    Args:
        file: the network as ONNX, input (n, 3, 112, 112) RGB in -1..1.
        threads: of the processor; 0 leaves it to onnxruntime.
    """

    def __init__(self, file: Path, threads: int = 0):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(
            file, options, providers=["CPUExecutionProvider"]
        )

    def __call__(self, photo: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """photo (H, W, 3) uint8 sRGB, landmarks (5, 2) as `vision.faces.Face` has them."""
        crop = cv2.warpAffine(photo, similarity(landmarks, TEMPLATE_112), (SIDE, SIDE))
        return self.views(crop.astype(np.float32).transpose(2, 0, 1)[None] / 255)[0]

    def views(self, views: np.ndarray) -> np.ndarray:
        """(n, 3, 112, 112) float32 sRGB 0..1, aligned to `TEMPLATE_112` -> (n, 128)."""
        values = (255 * views - 127.5) / 128
        (embedded,) = self._session.run(None, {self._session.get_inputs()[0].name: values})
        return embedded / np.linalg.norm(embedded, axis=1, keepdims=True)


def before_and_after(data: Path, recognise: Recogniser, photos: int) -> np.ndarray:
    """(n, 2, 128) of the largest face of real photos, and of the same with every kind but permanent
    ones asked away at full strength."""
    kinds = [kind for kind in LEARNT_KINDS if kind not in PERMANENT_KINDS]
    chosen = rows(data, use="evaluate", split=None, kind="imperfection")
    pairs = []
    for row in chosen[:: max(1, len(chosen) // photos)][:photos]:
        analysis = pipeline.analyse(load(row.path))
        if not analysis.faces:
            continue
        index = int(np.argmax([face.face.area for face in analysis.faces]))
        edits = tuple(Edit(kind, (default_region(kind),), 1.0, index) for kind in kinds)
        result = pipeline.render(analysis, Plan(edits)).photo
        landmarks = analysis.faces[index].face.landmarks
        pairs.append([recognise(one.srgb8(), landmarks) for one in (analysis.photo, result)])
    return np.array(pairs)


def line(data: Path, file: Path, photos: int = PHOTOS) -> str:
    """What the recogniser says, in a sentence, or why it says nothing."""
    if not file.is_file():
        return f"Identity was not measured: {file} is not there; name it with --identity FILE."
    pairs = before_and_after(data, Recogniser(file), photos)
    if not len(pairs):
        return f"Identity was not measured: {data} holds no real photos with a face."
    same = (pairs[:, 0] * pairs[:, 1]).sum(axis=1)
    apart = (pairs[:, 0] @ pairs[:, 0].T)[np.triu_indices(len(pairs), 1)]
    others = f"; of two of these photos {np.median(apart):.2f}" if apart.size else ""
    return (
        f"Identity of {len(pairs)} real photos, all but permanent marks asked away: cosine of"
        f" before and after {np.median(same):.3f} (median), {same.min():.3f} (least){others}."
    )
