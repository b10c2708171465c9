"""Where the bytes of a video are: a file, a member of a tar archive, memory, a folder of images, an address."""

from __future__ import annotations

import io
import os
import re
import tarfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from videonet.data.decoders.error import VideoError

_ADDRESS = re.compile(r"[a-z][a-z0-9+]+://", re.IGNORECASE)
_SPLIT = re.compile(r"(?<=\.tar)#", re.IGNORECASE)


class Section(io.RawIOBase):
    """A part of a file as a file of its own: `size` bytes from `offset`."""

    def __init__(self, path: str, offset: int, size: int) -> None:
        self._file = open(path, "rb", buffering=0)  # noqa: SIM115
        self._offset, self._size, self._at = offset, size, 0
        self.name = path

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = max(start + offset, 0)
        return self._at

    def readinto(self, buffer: memoryview) -> int:
        view = memoryview(buffer)[: max(self._size - self._at, 0)]
        self._file.seek(self._offset + self._at)
        count = self._file.readinto(view) if len(view) else 0
        self._at += count
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


@dataclass(frozen=True)
class Source:
    """The bytes of one video; `name` stands in messages, and one of path, data, member, folder, address is set."""

    name: str
    size: int
    path: str = ""
    data: bytes | None = None
    member: tuple[str, int, int] | None = None
    folder: str = ""
    address: str = ""

    def open(self) -> io.IOBase | None:
        """A fresh seekable file over the bytes, which the caller closes; None when a path or address names them."""
        if self.data is not None:
            return io.BytesIO(self.data)
        return Section(*self.member) if self.member else None

    def content(self) -> bytes:
        """All the bytes."""
        if self.data is not None:
            return self.data
        with self.open() or open(self.path, "rb") as file:
            return file.read()


def locate(video: str | os.PathLike | bytes) -> Source:
    """The source that a path, `archive.tar#member`, an address or the bytes themselves name.

    Raises:
        VideoError: nothing is there ("missing"), or nothing is in it ("empty").
    """
    if isinstance(video, (bytes, bytearray, memoryview)):
        return _filled(Source("<bytes>", len(video), data=bytes(video)))
    name = os.fspath(video)
    if _ADDRESS.match(name) and not name.startswith("file://"):
        return Source(name, 0, address=name)
    name = name.removeprefix("file://")
    if os.path.isdir(name):
        return Source(name, 0, folder=name)
    if os.path.isfile(name):
        return _filled(Source(name, os.path.getsize(name), path=os.path.abspath(name)))
    if (parts := _SPLIT.split(name, maxsplit=1))[1:] and os.path.isfile(parts[0]):
        return _filled(_member(name, *parts))
    raise VideoError(name, "missing", "no such file; check the path, and the folder that paths are relative to")


def _filled(source: Source) -> Source:
    if source.size == 0:
        raise VideoError(source.name, "empty", "the file has 0 bytes")
    return source


def _member(name: str, archive: str, member: str) -> Source:
    status = os.stat(archive)
    members = _members(archive, status.st_mtime_ns, status.st_size)
    if member not in members:
        raise VideoError(name, "missing", f"{archive} has {len(members)} files and none is called {member!r}")
    offset, size = members[member]
    return Source(name, size, member=(archive, offset, size))


@lru_cache(maxsize=8)
def _members(archive: str, modified: int, size: int) -> dict[str, tuple[int, int]]:
    """Offset and size of each file in an archive of this state; (modified, size) make the cache notice a new one."""
    try:
        with tarfile.open(archive, "r:") as tar:
            return {entry.name.removeprefix("./"): (entry.offset_data, entry.size) for entry in tar if entry.isreg()}
    except tarfile.TarError as error:
        raise VideoError(archive, "unreadable", f"not an uncompressed tar archive ({error})") from error


def images_of(folder: str | Path, suffixes: tuple[str, ...]) -> list[str]:
    """Paths of the files with one of the suffixes in a folder, in the order of their names."""
    with os.scandir(folder) as entries:
        return sorted(entry.path for entry in entries if entry.name.lower().endswith(suffixes))
