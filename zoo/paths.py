"""Files from what a command line names: paths, folders, globs and lists of such."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from zoo.errors import StructureError
from zoo.proteins.files.formats import printable, stem
from zoo.proteins.structure import is_readable


class Input(NamedTuple):
    """A file, and the name that its structure gets; a FASTA file's records have their own."""

    path: Path
    name: str


def find_inputs(patterns: Sequence[str]) -> list[Input]:
    """Return the files that paths, folders, globs and lists mean, each once.

    They are in the order of the arguments and of the lines of a list; those of a folder or glob
    are sorted. A structure is named after its file; below a folder that was given, after the path
    from there ("target/native"), so that the name does not depend on what else is given.

    "@FILE", or a file that ends with .txt, is a list of paths, one a line. A path in it that is
    not there is an input that cannot be read, not the end.

    Raises:
        StructureError: if one of them means no file at all.
    """
    found: dict[Path, Input] = {}
    for pattern in patterns:
        files = list(_of_list(pattern) if is_list(pattern) else _expand(pattern))
        if not files:
            raise StructureError(
                f"{pattern!r} is no structure or FASTA file, folder of such, list of paths, or "
                "matching pattern."
            )
        found |= {file.path: file for file in files}
    return list(found.values())


def is_list(pattern: str) -> bool:
    """Return whether an argument names a list of paths."""
    return pattern.startswith("@") or (pattern.endswith(".txt") and Path(pattern).is_file())


def _of_list(pattern: str) -> list[Input]:
    try:
        lines = Path(pattern.removeprefix("@")).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise StructureError(f"The list {pattern!r} cannot be read: {error}") from None
    found: dict[Path, Input] = {}
    for line in filter(None, map(str.strip, lines)):
        files = list(_expand(line)) or [Input(Path(line), stem(line))]
        found |= {file.path: file for file in files}
    return _told_apart(list(found.values()))


def _told_apart(files: list[Input]) -> list[Input]:
    """Name files that share a name after the path from the folder that all of the list are in."""
    shared = {name for name, count in Counter(file.name for file in files).items() if count > 1}
    folders = [Path(os.path.abspath(file.path)).parent for file in files]
    common = os.path.commonpath(folders) if folders else ""
    return [
        Input(file.path, _name(folder.relative_to(common), file.path))
        if file.name in shared else file
        for file, folder in zip(files, folders, strict=True)
    ]  # fmt: skip


def _name(parent: Path, file: Path) -> str:
    return printable((parent / stem(file)).as_posix())


def _expand(pattern: str) -> Iterator[Input]:
    path = Path(pattern)
    if path.is_dir():
        for file in sorted(path.rglob("*")):
            if file.is_file() and is_readable(file):
                yield Input(file, _name(file.relative_to(path).parent, file))
    elif path.exists():
        yield Input(path, stem(path))
    else:
        import glob

        yield from (Input(Path(x), stem(x)) for x in sorted(glob.glob(pattern, recursive=True)))
