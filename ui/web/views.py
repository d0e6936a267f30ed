"""What one visitor looks at: the conversation as shown, and pictures made smaller for the screen.

Pictures are reduced before their colours are converted, so that a preview of a large photo takes
a few hundredths of a second.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import cv2
import numpy as np
from PIL import Image

from vision import colour
from vision.raster import eight_bit, over

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from agent.overview import Proposal
    from ui.web.overlay import Overlay
    from ui.web.sessions import Visit
    from ui.web.turns import Act
    from vision.photo import Photo
    from vision.vocabulary import Kind

PREVIEW_SIDE = 1600
_EDITED = (255, 40, 40)  # what was edited, where that is asked for

Role = Literal["before", "after", "overlay"]
KEPT = 3  # previews of one role
DOUBLE_CLICK = 0.5  # seconds

Message = dict[str, Any]
Said = list[Message]
Window = tuple[int, int, int, int]  # left, top, right, bottom in pixels of the photo


@dataclass
class Look:
    """The page of one visit, beside what the session itself knows.

    Attributes:
        said: the conversation as the chat shows it.
        waiting: what was asked for and no turn took up yet, each with the message it will answer.
        running: whether a turn is being carried out.
        stop: set when the turn at hand is to end at its next stage.
        overlay: what is painted over the photo, once that is analysed.
        aside: whether the slider shows something else than the result.
        asked: when something was asked for last, by the monotonic clock.
        brought: what memory brought to the photo, as the page shows it.
        before: path of the preview of the untouched photo, once it is written.
        writing: held while a preview gets its name.
    """

    said: Said = field(default_factory=list)
    waiting: deque[tuple[Act, Message]] = field(default_factory=deque)
    running: bool = False
    stop: threading.Event = field(default_factory=threading.Event)
    overlay: Overlay | None = None
    aside: bool = False
    asked: float = -math.inf
    brought: Sequence[Proposal] = ()
    before: str | None = None
    writing: threading.Lock = field(default_factory=threading.Lock)

    @property
    def just_asked(self) -> bool:
        """Whether the last message is as new as the first of two clicks."""
        return time.monotonic() - self.asked < DOUBLE_CLICK

    def user(self, text: str) -> None:
        self.asked = time.monotonic()
        self.said.append({"role": "user", "content": text})

    def freckle(self, text: str) -> Message:
        """Say something; the message may still be reworded."""
        message: Message = {"role": "assistant", "content": text}
        self.said.append(message)
        return message

    def settle(self) -> None:
        """Answers to an older question can no longer be chosen."""
        for message in self.said:
            message.pop("options", None)


def reduced(photo: Photo, window: Window | None = None) -> NDArray[np.uint8]:
    """A window of a photo, or all of it, as (h, w, 3) sRGB, at most `PREVIEW_SIDE` a side; what is
    transparent lies on white."""
    left, top, right, bottom = window or (0, 0, photo.width, photo.height)
    pixels = photo.pixels[top:bottom, left:right]
    alpha = None if photo.opacity is None else photo.opacity[top:bottom, left:right]
    height, width = pixels.shape[:2]
    scale = PREVIEW_SIDE / max(height, width)
    if scale < 1:
        size = (max(round(width * scale), 1), max(round(height * scale), 1))
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
        pixels = pixels.reshape(*pixels.shape[:2], -1)  # OpenCV drops the one channel of grey
        alpha = None if alpha is None else cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)
    seen = colour.srgb8(pixels, photo.icc)
    return seen if alpha is None else over(seen, eight_bit(alpha), background=255)


def preview(visit: Visit, pixels: NDArray[np.uint8], role: Role = "after") -> str:
    """Write a picture for the screen under a name that no browser has cached. The last few of its
    role stay, since a browser may still be loading one."""
    with visit.look.writing:
        visit.views += 1
        path = visit.folder / f"{role}-{visit.views:08}.jpg"
    Image.fromarray(pixels).save(path, quality=92, subsampling=0)
    for old in sorted(visit.folder.glob(f"{role}-*.jpg"))[:-KEPT]:
        old.unlink(missing_ok=True)
    return str(path)


def before(visit: Visit) -> str:
    """The untouched photo, written once."""
    if visit.look.before is None:
        visit.look.before = preview(visit, reduced(visit.session.photo), "before")
    return visit.look.before


def after(visit: Visit) -> str:
    """The present result."""
    return preview(visit, reduced(visit.session.result))


def marked(visit: Visit, kinds: Sequence[Kind] = ()) -> str:
    """The photo with what shows these kinds painted over in red; without kinds, what was edited."""
    photo = reduced(visit.session.photo)
    size = (photo.shape[1], photo.shape[0])
    masks = [visit.session.spread(kind) for kind in kinds] or [visit.session.mask()]
    mask = np.any(masks, axis=0).astype(np.float32)
    share = 0.63 * cv2.resize(mask, size, interpolation=cv2.INTER_AREA)[..., None]
    return preview(visit, np.rint(photo * (1 - share) + share * _EDITED).astype(np.uint8))
