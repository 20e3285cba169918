"""What lies in a store, and what may go: any folder of shards below its root."""

from __future__ import annotations

import fnmatch
import time
import warnings
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from zoo.training.shard import PART, SHARD, StoreError, problems, shard_paths, stale_parts
from zoo.training.shards import Shards, StoreWarning
from zoo.training.states import FACTS, LAYER

DAY = 86400.0


@dataclass(frozen=True)
class Holding:
    """What belongs together: the states of one language model, or one folder of something else.

    Attributes:
        name: path below the root.
        folders: that hold its shards, one a layer.
    """

    name: str
    folders: tuple[Path, ...]

    @property
    def layers(self) -> list[int]:
        """Layers of the language model; none where it is something else."""
        numbers = [path.name.removeprefix(LAYER) for path in self.folders]
        return sorted(int(number) for number in numbers if number.isdigit())

    @property
    def shards(self) -> list[Path]:
        """Every shard file."""
        return [path for folder in self.folders for path in shard_paths(folder)]

    @property
    def last_used(self) -> float:
        """When it was last read or written, in seconds since 1970."""
        return max(folder.stat().st_mtime for folder in self.folders)

    def count(self) -> tuple[int, int]:
        """Return how many keys there are, of the fullest layer, and how many damaged shards."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", StoreWarning)
            opened = [Shards(folder) for folder in self.folders]
        return max(map(len, opened)), sum(len(shards.damaged) for shards in opened)


def holdings(root: Path) -> list[Holding]:
    """Return all that lies below a root, by name."""
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
    """Return those whose name matches a wildcard and that were not used for some days."""
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
    """Return {shard: what is wrong with it}, reading every byte; `advance` is told how many."""
    found: dict[Path, list[str]] = {}
    for done, path in enumerate(shards, start=1):
        if lines := problems(path):
            found[path] = lines
        advance(done)
    return found


def leftovers(root: Path) -> list[Path]:
    """Return what writers that were killed left behind, anywhere below a root."""
    folders = sorted({path.parent for path in root.rglob("*.part") if PART.fullmatch(path.name)})
    return [path for folder in folders for path in stale_parts(folder)]


def remove(paths: Iterable[Path], root: Path) -> int:
    """Remove files, and folders below the root that nothing is left in; return bytes freed.

    Raises:
        StoreError: if the folder cannot be written to.
    """
    freed, folders = 0, set()
    for path in paths:
        try:
            size = path.stat().st_size
            path.unlink()
        except FileNotFoundError:  # another process pruned it
            continue
        except OSError as error:
            raise StoreError(f"Cannot remove {path}: {error.strerror}.") from error
        freed += size
        folders |= {place for place in path.parents if root in place.parents}
    for folder in sorted(folders, reverse=True):
        with suppress(OSError):  # something is left in it, or it is gone
            if [path.name for path in folder.iterdir()] == [FACTS]:
                (folder / FACTS).unlink()
            folder.rmdir()
    return freed
