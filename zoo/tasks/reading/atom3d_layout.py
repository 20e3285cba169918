"""What the ATOM3D data sets have in common: a container for each split."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

from zoo.tasks.reading.atom3d import FILE, Container
from zoo.tasks.samples import DataError, Layout, Sample

PARTS = {"train": "train", "validation": "val", "test": "test"}


class Atom3DLayout(Layout):
    """A folder with `train/data.mdb`, `val/data.mdb` and `test/data.mdb`, or one `data.mdb`.

    A key is the split's folder and the index in it. An id that comes twice gets its index, too.

    Args:
        root: the folder, the one above `data/`, or the one above `split-by-*/data/`.
        allow_pickle: whether pickled data sets are read, which runs code that is in them.
    """

    def __init__(self, root: Path, allow_pickle: bool = False) -> None:
        super().__init__(root)
        self.allow_pickle = allow_pickle

    @classmethod
    def detect(cls, root: Path) -> bool:
        """Return whether a folder is laid out like this."""
        return bool(_folders(root))

    @cached_property
    def containers(self) -> dict[str, tuple[str, Container]]:
        """Split and container by the split's folder.

        Raises:
            DataError: if there are several data sets under the root, or none.
        """
        folders = _folders(self.root)
        if len(folders) != 1:
            names = ", ".join(str(folder) for folder in folders)
            raise DataError(f"{self.root} holds {names or 'no data set'}; {self.needs}; name one")
        if (folders[0] / FILE).is_file():
            return {".": ("", Container(folders[0], self.allow_pickle))}
        return {
            word: (part, Container(folders[0] / word, self.allow_pickle))
            for part, word in PARTS.items()
            if (folders[0] / word / FILE).is_file()
        }

    def keys(self) -> list[str]:
        """Return the key of every sample that is listed."""
        for _, container in self.containers.values():
            container.check()
        sizes = {word: len(container) for word, (_, container) in self.containers.items()}
        _ = [container.format for _, container in self.containers.values()]  # refused at once
        return [f"{word}/{index}" for word, size in sizes.items() for index in range(size)]

    def read(self, key: str) -> Sample:
        """Read one sample."""
        word, _, index = key.rpartition("/")
        part, container = self.containers[word]
        item = container.item(int(index))
        name = str(item.get("id", ""))
        repeated = container.ids.get(name, int(index)) != int(index)
        return self.sample(item, name, f"#{key}" if repeated or not name else "", part)

    @abstractmethod
    def sample(self, item: dict[str, Any], name: str, suffix: str, split: str) -> Sample:
        """Return the sample of an item; the suffix makes an id that is not unique so."""

    def inputs(self) -> Iterable[Path]:
        """Return every file that is read."""
        return [container.path for _, container in self.containers.values()]


def _folders(root: Path) -> list[Path]:
    """Return the folders that hold a data set: the root, or those of splits under it."""
    below = sorted(folder / "data" for folder in root.glob("split-by-*"))
    for candidates in ([root], [root / "data"], below):
        found = [folder for folder in candidates if _is_data_set(folder)]
        if found:
            return found
    return []


def _is_data_set(folder: Path) -> bool:
    return any((folder / word / FILE).is_file() for word in (".", *PARTS.values()))
