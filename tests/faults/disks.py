"""Disks that can be full: a small one of their own, or a limit on how far a process may write."""

from __future__ import annotations

import errno
import resource
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from tests.processes import Program

_SIZE = "4m"
_TIMEOUT = 10


class Disk(Protocol):
    """Where a database lies, which has room or none."""

    folder: Path

    def fill(self, program: Program) -> None:
        """Leave a program no room at all."""
        ...

    def free(self, program: Program) -> None:
        """Give it room again."""
        ...


class LimitedDisk:
    """Lets a program write not one byte to any file (RLIMIT_FSIZE), which needs no administrator."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self, program: Program) -> None:
        """Set the limit."""
        resource.prlimit(program.process.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))

    def free(self, program: Program) -> None:
        """Lift the limit."""
        unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(program.process.pid, resource.RLIMIT_FSIZE, unlimited)


class SmallDisk:
    """A file system in memory that a large file fills."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self, program: Program) -> None:
        """Write until there is no room."""
        with (self.folder / "filler").open("wb", buffering=0) as filler:
            try:
                while True:
                    filler.write(bytes(4096))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise

    def free(self, program: Program) -> None:
        """Remove the large file."""
        (self.folder / "filler").unlink()


@contextmanager
def mount_disk(folder: Path) -> Generator[SmallDisk]:
    """Mount a small disk on a folder. Raises PermissionError where that is not allowed."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_SIZE}", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True, timeout=_TIMEOUT)
    except (subprocess.CalledProcessError, FileNotFoundError) as error:
        raise PermissionError("it cannot be mounted") from error
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", str(folder)], check=True, timeout=_TIMEOUT)
