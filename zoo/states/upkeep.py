"""Lists, checks and prunes the contents of a store: all folders of shards below its root."""

from __future__ import annotations

import fnmatch
import time
import warnings
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from zoo.states.shard import PART, SHARD, UnwritableError, problems, shard_paths, stale_parts
from zoo.states.shards import Shards, StoreWarning
from zoo.states.states import FACTS, LAYER

DAY = 86400.0


@dataclass(frozen=True)
class Holding:
    """One item of a store: the states of one language model, or a folder of other shards.

    Attributes:
        name: Path below the root.
        folders: Folders that hold its shards, one for each layer.
    """

    name: str
    folders: tuple[Path, ...]

    @property
    def layers(self) -> list[int]:
        """Layers of the language model; empty for other shards."""
        numbers = [path.name.removeprefix(LAYER) for path in self.folders]
        return sorted(int(number) for number in numbers if number.isdigit())

    @property
    def shards(self) -> list[Path]:
        """Every shard file."""
        return [path for folder in self.folders for path in shard_paths(folder)]

    @property
    def last_used(self) -> float:
        """Time when it was last read or written, in seconds since 1970."""
        return max(folder.stat().st_mtime for folder in self.folders)

    def count(self) -> tuple[int, int]:
        """Return the number of keys in the layer with the most, and of damaged shards in all."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", StoreWarning)
            opened = [Shards(folder) for folder in self.folders]
        return max(map(len, opened)), sum(len(shards.damaged) for shards in opened)


def holdings(root: Path) -> list[Holding]:
    """Return the items below a root, sorted by name."""
    found: dict[Path, set[Path]] = {}
    for path in root.rglob("*.safetensors"):
        if SHARD.fullmatch(path.name):
            folder = path.parent
            owner = folder.parent if folder.name.startswith(LAYER) else folder
            found.setdefault(owner, set()).add(folder)
    return [
        Holding(owner.relative_to(root).as_posix(), tuple(sorted(folders)))
        for owner, folders in sorted(found.items())
    ]


def chosen(
    held: Iterable[Holding], *, pattern: str | None = None, days: float | None = None
) -> list[Holding]:
    """Return the items whose name matches a wildcard and that were not used for some days.

    Args:
        held: Items to choose from.
        pattern: Wildcard pattern of the name ("esm2_8m*"); None matches all.
        days: Days since the last use; None matches all.
    """
    limit = float("inf") if days is None else time.time() - days * DAY
    return [
        holding
        for holding in held
        if holding.last_used < limit
        and (
            pattern is None
            or fnmatch.fnmatch(holding.name, pattern)
            or fnmatch.fnmatch(Path(holding.name).name, pattern)
        )
    ]


def damage(shards: Iterable[Path], advance: Callable[[int], None]) -> dict[Path, list[str]]:
    """Return {shard: lines on what is wrong with it}, after reading every byte.

    `advance` is called with the number of shards read.
    """
    found: dict[Path, list[str]] = {}
    for done, path in enumerate(shards, start=1):
        if lines := problems(path):
            found[path] = lines
        advance(done)
    return found


def leftovers(root: Path) -> list[Path]:
    """Return the unfinished files that killed processes left anywhere below a root."""
    folders = sorted({path.parent for path in root.rglob("*.part") if PART.fullmatch(path.name)})
    return [path for folder in folders for path in stale_parts(folder)]


def remove(paths: Iterable[Path], root: Path) -> int:
    """Remove files, and the folders below the root that become empty; return the bytes freed.

    Raises:
        UnwritableError: If a folder cannot be written to.
    """
    freed, folders = 0, set()
    for path in paths:
        try:
            size = path.stat().st_size
            path.unlink()
        except FileNotFoundError:  # another process pruned it
            continue
        except OSError as error:
            raise UnwritableError(f"Cannot remove {path}: {error.strerror}.") from error
        freed += size
        folders |= {place for place in path.parents if root in place.parents}
    for folder in sorted(folders, reverse=True):
        with suppress(OSError):  # the folder is not empty, or it is gone already
            if [path.name for path in folder.iterdir()] == [FACTS]:
                (folder / FACTS).unlink()
            folder.rmdir()
    return freed
