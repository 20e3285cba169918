"""Reads the members of a tar archive one by one, without unpacking it to the disk."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterator
from functools import partial
from typing import IO, Any, NamedTuple

from zoo.errors import StructureError
from zoo.proteins.files.unpack import PIECE
from zoo.system.reading import MOST

CUT = "is a tar archive that was cut short, or is damaged; fetch it again"


class Member(NamedTuple):
    """A file in an archive.

    Attributes:
        name: Path in the archive.
        mark: What changes when the file does: its path, size and time.
        read: Returns its bytes; it must be called before the next member is asked for.
    """

    name: str
    mark: bytes
    read: Callable[[], bytes]


def is_tar(head: bytes) -> bool:
    """Return whether content begins as a tar archive does."""
    return head[257:262] == b"ustar"


def members(file: IO[bytes]) -> Iterator[Member]:
    """Yield the files of an archive that can be read again, after a look at its end.

    Raises:
        StructureError: If it was cut short; nothing is yielded then.
    """
    for _ in _infos(file, "r:"):
        pass
    file.seek(0)
    return _members(file, "r:")


def streamed_members(pieces: Iterator[bytes]) -> Iterator[Member]:
    """Yield the files of an archive that can be read once, from the pieces of its content.

    Raises:
        StructureError: If it was cut short, after the members that were whole.
    """
    return _members(io.BufferedReader(Pieces(pieces), PIECE), "r|")


def _members(file: IO[bytes], mode: str) -> Iterator[Member]:
    for archive, info in _infos(file, mode):
        name = info.name.removeprefix("./")
        mark = f"{name} {info.size} {info.mtime}".encode(errors="replace")
        yield Member(name, mark, partial(_read, archive, info))


def _infos(file: IO[bytes], mode: Any) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """Yield the plain files of an archive, whose list is not kept."""
    try:
        with tarfile.open(fileobj=file, mode=mode, tarinfo=_Info) as archive:
            while (info := archive.next()) is not None:
                archive.members.clear()  # type: ignore[attr-defined]
                if info.isfile():
                    yield archive, info
    except (tarfile.TarError, EOFError) as error:
        raise StructureError(f"{CUT} ({error})") from None


class _Info(tarfile.TarInfo):
    """Tells the mark at the end of an archive from its being cut off, which tarfile does not."""

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> Any:
        try:
            return super().fromtarfile(tarfile_)
        except tarfile.HeaderError as error:
            if type(error).__name__ == "EOFHeaderError":
                raise
            raise tarfile.ReadError(str(error)) from None


def _read(archive: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    if info.size > MOST:
        raise StructureError(f"has {info.size:,} bytes, and at most {MOST:,} are read")
    try:
        file = archive.extractfile(info)
        data = b"" if file is None else file.read()
    except tarfile.TarError as error:
        raise StructureError(f"{CUT} ({error})") from None
    if len(data) < info.size:
        raise StructureError(CUT)
    return data


class Pieces(io.RawIOBase):
    """A file to read once, of the pieces of its content."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        super().__init__()
        self._pieces, self._rest = pieces, b""

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer as far as the piece at hand goes; return the number of bytes."""
        while not self._rest and (piece := next(self._pieces, None)) is not None:
            self._rest = piece
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        return count
