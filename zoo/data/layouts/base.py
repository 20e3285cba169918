"""The base class of the layouts of data on disk, and the search for the layout of a folder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from zoo.data.layouts import LAYOUTS
from zoo.data.samples import Sample
from zoo.errors import DataError, unknown
from zoo.tasks import Target


class Layout(ABC):
    """One way in which the files of a benchmark are arranged on disk.

    A layout lists the keys of its samples without reading a structure, and reads one sample at a
    time. So preparing data can be interrupted and continued, and needs little memory.
    """

    task: ClassVar[str]
    needs: ClassVar[str]
    """The files that a folder must hold, in one line."""
    source: ClassVar[str]
    """Official source of the data: a web page or DOI."""

    takes_file: ClassVar[bool] = False
    """Whether the data may be one file instead of a folder."""
    wanted: tuple[str, ...] | None = None
    """Targets that the user names, where a layout lets them; None where the layout decides."""

    nodes_within: float | None = None
    """Distance in angstrom from the ligand within which residues are nodes; None for all."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    @abstractmethod
    def detect(cls, root: Path) -> bool:
        """Return whether a folder has this layout, judged by the names of its files only."""

    @property
    @abstractmethod
    def targets(self) -> tuple[Target, ...]:
        """The targets that the samples have."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """Lines that the user should read before the data are used."""
        return ()

    @abstractmethod
    def keys(self) -> list[str]:
        """Return a unique key for each sample that the data set lists, in the order of its files.

        Raises:
            DataError: If a label file is missing or damaged; names the file and the line.
        """

    @abstractmethod
    def read(self, key: str) -> Sample:
        """Return one sample.

        Raises:
            DroppedSample: If the sample cannot be used; gives the reason.
        """

    @abstractmethod
    def inputs(self) -> Iterable[Path]:
        """Return every file that is read; if one changes, the data are prepared again."""


def find_layout(task: str, root: Path, name: str | None = None) -> Layout:
    """Return the layout of a folder for a task: the named one, or the first that fits.

    Raises:
        DataError: If no layout fits; lists the files that each needs and where to get them.
        ConfigError: If there is no such task, or it has no layout of that name.
    """
    of_task = {key: LAYOUTS[key] for key in LAYOUTS if key.partition("/")[0] == task}
    if not of_task:
        raise unknown("task", task, {key.partition("/")[0] for key in LAYOUTS})
    if name is not None:
        return LAYOUTS[f"{task}/{name}"](root)
    for cls in of_task.values():
        if (root.is_dir() or (cls.takes_file and root.is_file())) and cls.detect(root):
            return cls(root)
    lines = [f"  {key}: {cls.needs}\n    from {cls.source}" for key, cls in of_task.items()]
    state = "does not exist" if not root.exists() else f"is not laid out as data for {task!r}"
    raise DataError(f"{root} {state}. One of these is needed:\n" + "\n".join(lines))
