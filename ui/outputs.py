"""Files that appear together or not at all, and never on top of what went in.

Each file is written to a temporary name in its own folder; when all are whole they are renamed
into place. Places are checked when they are claimed, before any model runs, and again then.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from vision.errors import FreckleError


class Outputs:
    """Claim every place, write to the temporary names; leaving the `with` block renames.

    Args:
        inputs: files that were read; none of them is ever replaced, by whatever name.
        overwrite: whether existing files may be replaced.

    When the block is left by an exception, nothing is left behind.
    """

    def __init__(self, inputs: Iterable[Path], *, overwrite: bool) -> None:
        self._inputs = tuple(inputs)
        self._overwrite = overwrite
        self._claimed: dict[Path, Path] = {}

    def claim(self, path: Path) -> Path:
        """Check a place and return the temporary name, with the same ending, to write to.

        Raises:
            FreckleError: the place cannot be used; says why and what to do.
        """
        folder = path.parent
        if not os.path.isdir(folder):  # unlike the path's own, it raises nothing
            missing = "is not a folder" if os.path.exists(folder) else "cannot be found or entered"
            raise FreckleError(f"cannot write {path}: {folder} {missing}; name an existing folder")
        if not os.access(folder, os.W_OK):
            raise FreckleError(f"cannot write {path}: no permission to write in {folder}")
        try:
            path.lstat()
        except FileNotFoundError:
            pass
        except OSError as error:
            raise FreckleError(f"cannot write {path}: {error.strerror}; name another") from error
        if path.is_dir():
            raise FreckleError(f"cannot write {path}: it is a folder; name a file in it")
        if path.exists() and not path.is_file():  # a device, a pipe
            raise FreckleError(f"cannot write {path}: it is no ordinary file; name another")
        if path.exists():
            if any(source.exists() and path.samefile(source) for source in self._inputs):
                raise FreckleError(f"{path} is the input and never replaced: name another output")
            if not self._overwrite:
                raise FreckleError(f"{path} exists: add --overwrite to replace it, or name another")
        if any(_place(path) == _place(other) for other in self._claimed.values()):
            raise FreckleError(f"{path} is named for two outputs: give each its own name")
        temporary = path.with_name(f".{secrets.token_hex(8)}{path.suffix}")
        self._claimed[temporary] = path
        return temporary

    def write(self, temporary: Path, data: bytes) -> None:
        """Write a whole file to a name that `claim` returned."""
        try:
            temporary.write_bytes(data)
        except OSError as error:
            raise FreckleError(f"cannot write {temporary}: {error.strerror}") from error

    def give_up(self, temporary: Path) -> None:
        """Leave a claimed place as it is: there is nothing to write."""
        del self._claimed[temporary]

    def __enter__(self) -> Outputs:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self._appear()
        finally:
            for temporary in self._claimed:
                temporary.unlink(missing_ok=True)
        if isinstance(error, FreckleError):
            said = str(error)
            for temporary, path in self._claimed.items():
                said = said.replace(str(temporary), str(path))
            if said != str(error):
                raise type(error)(said) from error

    def _appear(self) -> None:
        """Rename everything into place; what cannot be replaced takes back what came before it.

        Raises:
            FreckleError: a place was taken meanwhile, or cannot be written any more.
        """
        new: list[Path] = []
        try:
            for temporary, path in self._claimed.items():
                try:
                    if self._overwrite:
                        os.replace(temporary, path)
                    else:
                        _link(temporary, path)
                        new.append(path)
                except FileExistsError as error:
                    raise FreckleError(f"{path} appeared meanwhile: name another") from error
                except OSError as error:
                    raise FreckleError(f"cannot write {path}: {error.strerror}") from error
        except FreckleError:
            for path in new:
                path.unlink(missing_ok=True)
            raise


def _link(temporary: Path, path: Path) -> None:
    """Give a file its name, unless something has it."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if os.path.lexists(path):
            raise FileExistsError(path) from None
        os.replace(temporary, path)


def write_file(path: Path, data: bytes, *, overwrite: bool = False) -> None:
    """Write one file, whole or not at all."""
    with Outputs((), overwrite=overwrite) as outputs:
        outputs.write(outputs.claim(path), data)


def _place(path: Path) -> Path:
    return path.parent.resolve() / path.name
