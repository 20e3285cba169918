"""A file whose changes take effect all together or not at all, for libraries that write in place.

HDF5 changes a file here and there; a kill between two such writes can leave a file that nobody can
read, and a full disk ends the process. Here changes stay in memory until `commit`, which writes
them to a journal beside the file first. A journal that is whole is carried out when the file is
opened again, and one that is not is deleted.
"""

from __future__ import annotations

import errno
import io
import os
import zlib
from contextlib import suppress
from pathlib import Path

from zoo.system.reading import plain_file

PAGE = 4096
MAGIC = b"zoo journal 1\n"
NUMBER = 8
"""Bytes of a whole number in a journal, little-endian."""


class TransactionFile(io.RawIOBase):
    """A binary file to read and write, which changes on disk at each `commit`.

    Args:
        path: Path of the file; it is made, empty, if it does not exist.

    Raises:
        OSError: If the file cannot be opened for writing.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._journal = path.with_name(f"{path.name}.journal")
        mode = "rb+" if path.exists() else "xb+"
        # Without a buffer, which could not be closed on a full disk.
        self._file = open(path if mode == "xb+" else plain_file(path), mode, buffering=0)
        try:
            self._carry_out()
        except BaseException:
            self._file.close()
            raise
        self._at = 0
        self._size = self._there = self._file.seek(0, os.SEEK_END)
        self._pages: dict[int, bytearray] = {}

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a position, and return it."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = start + offset
        return self._at

    def readinto(self, buffer: object) -> int:
        """Read bytes from the position on, with all changes; return their number."""
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        count = max(0, min(len(view), self._size - self._at))
        self._file.seek(self._at)
        there = self._file.read(max(0, min(count, self._there - self._at))) or b""
        view[:count] = there.ljust(count, b"\0")
        for number, start, stop, at in _parts(self._at, count):
            if (page := self._pages.get(number)) is not None:
                view[at : at + stop - start] = page[start:stop]
        self._at += count
        return count

    def write(self, data: object) -> int:
        """Keep bytes in memory, to be written from the position on; return their number."""
        view = memoryview(data).cast("B")  # type: ignore[arg-type]
        for number, start, stop, at in _parts(self._at, len(view)):
            if number not in self._pages:
                self._pages[number] = self._page(number)
            self._pages[number][start:stop] = view[at : at + stop - start]
        self._at += len(view)
        self._size = max(self._size, self._at)
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        """Set the size of the file; what is cut off, and what is added, is zeros."""
        self._size = self._at if size is None else size
        self._there = min(self._there, self._size)
        last, rest = divmod(self._size, PAGE)
        self._pages = {at: page for at, page in self._pages.items() if at <= last}
        if last in self._pages:
            self._pages[last][rest:] = bytes(PAGE - rest)
        return self._size

    def commit(self) -> None:
        """Bring all changes to the disk.

        Raises:
            OSError: If they have no room; the file is then what it was after the last commit.
        """
        there = self._file.seek(0, os.SEEK_END)
        # A file that was not cut keeps the room that `_reserve` makes for what it grows by.
        sizes = (self._there if self._there < there else self._size, self._size)
        body = bytearray(b"".join(size.to_bytes(NUMBER, "little") for size in sizes))
        for number, page in sorted(self._pages.items()):
            body += number.to_bytes(NUMBER, "little") + page
        try:
            with open(self._journal, "wb") as file:
                file.write(MAGIC + zlib.crc32(body).to_bytes(NUMBER, "little") + body)
                file.flush()
                os.fsync(file.fileno())
            self._reserve()
        except OSError:
            with suppress(OSError):
                self._journal.unlink()
            raise
        self._carry_out()
        self._pages.clear()
        self._there = self._size

    def close(self) -> None:
        """Close the file; changes since the last commit are dropped."""
        if not self.closed:
            self._file.close()
        super().close()

    def _page(self, number: int) -> bytearray:
        start = number * PAGE
        self._file.seek(start)
        there = self._file.read(max(0, min(PAGE, self._there - start))) or b""
        return bytearray(there.ljust(PAGE, b"\0"))

    def _reserve(self) -> None:
        """Make room on the disk first, so that a journal is not left half carried out."""
        before = self._file.seek(0, os.SEEK_END)
        if self._size <= before or not hasattr(os, "posix_fallocate"):
            return
        try:
            os.posix_fallocate(self._file.fileno(), before, self._size - before)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                self._file.truncate(before)
                raise

    def _carry_out(self) -> None:
        """Write the changes of a whole journal into the file, and delete the journal."""
        if self._journal.exists():
            sizes, changes = _parse(plain_file(self._journal).read_bytes())
            if sizes:
                self._file.truncate(sizes[0])
            for at, piece in changes:
                self._file.seek(at)
                if self._file.write(piece) != len(piece):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if sizes:
                self._file.truncate(sizes[1])
            os.fsync(self._file.fileno())
            self._journal.unlink()


def _parts(at: int, count: int) -> list[tuple[int, int, int, int]]:
    """Return (page, start and stop in it, offset from `at`) of a stretch of bytes."""
    found, done = [], 0
    while done < count:
        number, start = divmod(at + done, PAGE)
        stop = min(PAGE, start + count - done)
        found.append((number, start, stop, done))
        done += stop - start
    return found


def _parse(data: bytes) -> tuple[list[int], list[tuple[int, bytes]]]:
    """Return the sizes of the file, and position and bytes of each change, in a journal.

    The sizes are the one to cut the file to before the changes, and the one to set after them.
    There are none, and no changes, if the journal is not whole.
    """
    head = len(MAGIC) + NUMBER
    crc = int.from_bytes(data[len(MAGIC) : head], "little")
    if not data.startswith(MAGIC) or len(data) <= head or zlib.crc32(data[head:]) != crc:
        return [], []
    first = head + 2 * NUMBER
    sizes = [int.from_bytes(data[at : at + NUMBER], "little") for at in (head, head + NUMBER)]
    step, changes = NUMBER + PAGE, []
    for row in range(first, len(data), step):
        at = int.from_bytes(data[row : row + NUMBER], "little") * PAGE
        changes.append((at, data[row + NUMBER : row + step][: max(0, sizes[1] - at)]))
    return sizes, changes
