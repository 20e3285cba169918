"""Find the input files that a command line names by paths, folders, globs, lists and names."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from zoo.errors import StructureError
from zoo.prediction.listing import FolderFiles, Input, named_after, names_in
from zoo.proteins.databases import FORMS, named, structure_file
from zoo.proteins.files.content import printable
from zoo.proteins.files.formats import PLAIN_SUFFIXES, stem
from zoo.proteins.structure import is_readable
from zoo.system.counting import counted
from zoo.system.reading import text

Say = Callable[[str], None]
#: Number of files that are shown as examples.
MOST_EXAMPLES = 5


def quiet(line: str) -> None:
    """Say nothing of what was fetched."""


def find_inputs(
    patterns: Sequence[str], chains: str | None = None, say: Say = quiet
) -> Sequence[Input]:
    """Return the files of paths, folders, globs, lists and names, each file once.

    Of one folder alone, which may have very many files, only the names are held.

    "FILE:A,B" is a file of which only these chains are read; `chains`, as in "A,B", are those of
    every file. What is no path and has the form of a name in the PDB, AlphaFold DB or UniProt is
    fetched, see `zoo.proteins.databases`.

    Files are in the order of the arguments and of the lines of a list; those of a folder or glob
    are sorted. A structure is named after its file. In a folder it is named after the path from
    that folder ("target/native"), so that the name does not depend on the other arguments.

    "@FILE", or a file that ends with .txt, is a list of paths and names, one per line. One in a
    list that does not exist is an input that fails, and the other inputs are still read.

    Args:
        patterns: The arguments.
        chains: Names of the chains to read of every file that has none of its own.
        say: Called with a line on each structure that is fetched.

    Raises:
        StructureError: if an argument matches no file, or there is no structure of a name.
        FetchError: if a structure cannot be fetched, also one in a list.
    """
    if len(patterns) == 1 and Path(patterns[0]).is_dir() and not is_list(patterns[0]):
        if alone := FolderFiles(Path(patterns[0]), chains):
            return alone
    found: dict[tuple[Path, tuple[str, ...] | None], Input] = {}
    for pattern in patterns:
        files = list(_of_list(pattern, say) if is_list(pattern) else _expand(pattern, say))
        if not files:
            others = left_out([pattern])
            raise StructureError(
                f"{pattern!r} is not a structure or FASTA file, a folder of such files, a list of "
                f"paths (@FILE), a pattern that matches files, or {FORMS}."
                f"{f' {others}' if others else ''}"
            )
        if chains is not None:
            files = [file if file.chains else file.only(chains) for file in files]
        found |= {(file.path, file.chains): file for file in files}
    return list(found.values())


def one_input(text: str, say: Say = quiet) -> Input:
    """Return the one file that a text names: a path, "FILE:A,B", or the name of a structure.

    Raises:
        StructureError: if it is none of these.
        FetchError: if the structure cannot be fetched.
    """
    path = Path(text)
    if path.exists():
        return Input(path, stem(path))
    if found := _with_chains(text) or _by_name(text, say):
        return found
    raise StructureError(f"{printable(text)} does not exist. Valid: a file, FILE:A,B, or {FORMS}.")


def left_out(patterns: Sequence[str]) -> str:
    """Return a sentence on the files in folders that `find_inputs` does not take; "" if none.

    It goes by the ends of their names. A file that is named itself is read whatever its name.
    """
    others: dict[Path, None] = {}
    for pattern in patterns:
        for name in _lines(pattern) if is_list(pattern) else [pattern]:
            if Path(name).is_dir():
                others |= dict.fromkeys(x for x in _files(Path(name)) if not is_readable(x))
    if not others:
        return ""
    shown = ", ".join(map(printable, [*others][:MOST_EXAMPLES]))
    more = f" and {len(others) - MOST_EXAMPLES} more" if len(others) > MOST_EXAMPLES else ""
    have = counted(len(others), "file has", "files have")
    return (
        f"In folders, {have} no name of a structure or sequence file ({', '.join(PLAIN_SUFFIXES)}, "
        f"plain or .gz), and {'is' if len(others) == 1 else 'are'} not read: {shown}{more}. Name a "
        "file itself to have it read."
    )


def is_list(pattern: str) -> bool:
    """Return whether an argument names a list of paths."""
    return pattern.startswith("@") or (pattern.endswith(".txt") and Path(pattern).is_file())


def _lines(pattern: str) -> list[str]:
    try:
        lines = text(pattern.removeprefix("@")).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise StructureError(f"The list {pattern!r} cannot be read: {error}") from None
    return list(filter(None, map(str.strip, lines)))


def _of_list(pattern: str, say: Say) -> list[Input]:
    found: dict[tuple[Path, tuple[str, ...] | None], Input] = {}
    for line in _lines(pattern):
        try:
            files = list(_expand(line, say)) or [Input(Path(line), stem(line))]
        except StructureError as error:
            files = [Input(Path(line), stem(line), problem=str(error))]
        found |= {(file.path, file.chains): file for file in files}
    return _told_apart(list(found.values()))


def _told_apart(files: list[Input]) -> list[Input]:
    """Rename files that share a name by their paths from the common folder of the list."""
    shared = {name for name, count in Counter(file.name for file in files).items() if count > 1}
    folders = [Path(os.path.abspath(file.path)).parent for file in files]
    common = os.path.commonpath(folders) if folders else ""
    return [
        file._replace(name=named_after(folder.relative_to(common) / file.path.name))
        if file.name in shared else file
        for file, folder in zip(files, folders, strict=True)
    ]  # fmt: skip


def _files(folder: Path) -> Iterator[Path]:
    return (folder / name for name in names_in(folder))


def _with_chains(pattern: str) -> Input | None:
    """Return the file and the chains that "FILE:A,B" names; None if there is no such file."""
    path, colon, chains = pattern.rpartition(":")
    if not (colon and chains.strip(", ") and Path(path).is_file()):
        return None
    return Input(Path(path), stem(Path(path))).only(chains)


def _by_name(text: str, say: Say) -> Input | None:
    """Return the structure that a text is the name of; None if it is no such name."""
    structure = named(text)
    if structure is None:
        return None
    path = structure_file(structure, say=say)
    found = Input(path, stem(path))
    return found if structure.chains is None else found.only(structure.chains)


def _expand(pattern: str, say: Say) -> Iterator[Input]:
    path = Path(pattern)
    if path.is_dir():
        yield from FolderFiles(path)
    elif path.exists():
        yield Input(path, stem(path))
    elif chosen := _with_chains(pattern) or _by_name(pattern, say):
        yield chosen
    else:
        import glob

        yield from (Input(Path(x), stem(x)) for x in sorted(glob.glob(pattern, recursive=True)))
