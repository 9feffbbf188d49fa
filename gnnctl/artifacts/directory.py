"""Directories that appear whole or not at all.

A stage works in ``OUT.partial``, which it holds locked, and publishes it by one rename. To replace an artifact the two
names are exchanged in one step where the system can; elsewhere the old one steps aside as ``OUT.replaced``, and
:func:`recover` puts it back if the process died in between.
"""

import ctypes
import errno
import fcntl
import os
import shutil
import sys
from pathlib import Path

from gnnctl.errors import ResourceError


def partial_path(output: Path) -> Path:
    """Where the work on ``output`` is kept until it is published."""
    return output.with_name(output.name + ".partial")


def _replaced_path(output: Path) -> Path:
    return output.with_name(output.name + ".replaced")


def recover(output: Path) -> None:
    """Undo or finish a replacement that was cut off."""
    aside = _replaced_path(output)
    if not aside.exists():
        return
    if output.exists():
        shutil.rmtree(aside, ignore_errors=True)
    else:
        aside.rename(output)


class WorkDirectory:
    """The locked ``OUT.partial`` of one running stage.

    Raises:
        ResourceError: another process is writing the same output.
    """

    def __init__(self, output: Path) -> None:
        self.output = output
        self.path = partial_path(output)
        output.parent.mkdir(parents=True, exist_ok=True)
        while True:
            self.path.mkdir(exist_ok=True)
            self._descriptor = os.open(self.path, os.O_RDONLY)
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(self._descriptor)
                raise ResourceError(f"{output} is being written by another process", fix="wait for it") from None
            # The directory may have been published or removed between the opening and the lock.
            if self.path.exists() and os.path.samestat(os.fstat(self._descriptor), self.path.stat()):
                return
            os.close(self._descriptor)

    def clear(self) -> None:
        """Remove what an earlier, unfinished run left."""
        for entry in self.path.iterdir():
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()

    def publish(self) -> None:
        """Flush every file, give the directory its name, and remove what stood there."""
        for folder, _, files in os.walk(self.path):
            for name in files:
                _flush(Path(folder, name))
            _flush(Path(folder))
        if not self.output.exists():
            self.path.rename(self.output)
            _flush(self.output.parent)
        elif _exchange(self.path, self.output):
            _flush(self.output.parent)
            shutil.rmtree(self.path, ignore_errors=True)
        else:
            aside = _replaced_path(self.output)
            shutil.rmtree(aside, ignore_errors=True)
            self.output.rename(aside)
            self.path.rename(self.output)
            _flush(self.output.parent)
            shutil.rmtree(aside, ignore_errors=True)

    def discard(self) -> None:
        """Remove the directory and all its contents."""
        shutil.rmtree(self.path, ignore_errors=True)

    def release(self) -> None:
        """Let go of the lock."""
        os.close(self._descriptor)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two names in one step; False where the system or the file system cannot."""
    library = ctypes.CDLL(None, use_errno=True)
    first, second = os.fsencode(one), os.fsencode(other)
    if sys.platform == "linux" and hasattr(library, "renameat2"):
        at_current, exchange = -100, 2
        code = library.renameat2(at_current, first, at_current, second, exchange)
    elif sys.platform == "darwin" and hasattr(library, "renamex_np"):
        swap = 2
        code = library.renamex_np(first, second, swap)
    else:
        return False
    if code == 0:
        return True
    error = ctypes.get_errno()
    if error in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
        return False
    raise OSError(error, os.strerror(error), str(other))
