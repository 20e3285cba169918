"""The base of the layouts of ATOM3D, which have a container for each split."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

from zoo.data.layouts.base import Layout
from zoo.data.reading.atom3d import FILE, Container
from zoo.data.samples import Sample
from zoo.errors import DataError

PARTS = {"train": "train", "validation": "val", "test": "test"}


class Atom3DLayout(Layout):
    """A folder with `train/data.mdb`, `val/data.mdb` and `test/data.mdb`, or one `data.mdb`.

    A key is the folder of the split and the index in it ("val/17"). If an id occurs twice, the key
    is appended to it, so that ids are unique.

    Args:
        root: Folder that holds the splits, directly or in `data/` or `split-by-*/data/`.
        allow_pickle: Whether pickled data sets are read, which runs any code in them.
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
        """Split and container by the name of the split's folder.

        Raises:
            DataError: If there are several data sets below the root, or none.
        """
        folders = _folders(self.root)
        if len(folders) != 1:
            names = ", ".join(str(folder) for folder in folders)
            raise DataError(
                f"{self.root} must hold one data set ({self.needs}), but holds {names or 'none'}"
            )
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
        _ = [container.format for _, container in self.containers.values()]  # raises for pickles
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
        """Return the sample of an item.

        Args:
            item: Content of the item.
            name: Id of the item.
            suffix: Text to append to the id, so that a repeated id becomes unique.
            split: Split of the item.
        """

    def inputs(self) -> Iterable[Path]:
        """Return every file that is read."""
        return [container.path for _, container in self.containers.values()]


def _folders(root: Path) -> list[Path]:
    """Return the folders that hold a data set: the root, its `data/`, or each split-by-*/data/."""
    below = sorted(folder / "data" for folder in root.glob("split-by-*"))
    for candidates in ([root], [root / "data"], below):
        found = [folder for folder in candidates if _is_data_set(folder)]
        if found:
            return found
    return []


def _is_data_set(folder: Path) -> bool:
    return any((folder / word / FILE).is_file() for word in (".", *PARTS.values()))
