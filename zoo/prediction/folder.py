"""The folder that `zoo predict` writes: its files, and what may be added to it."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from zoo.errors import ConfigError
from zoo.proteins.files.content import printable
from zoo.system.files import make_folder, whole_file
from zoo.system.reading import plain_file

TABLE, JOURNAL, FAILED, STRUCTURES = "predictions", "journal.jsonl", "failed.csv", "structures"
FORMER_JOURNAL = "unfinished.jsonl"
"""Name of the journal in versions that deleted it at the end."""
MANIFEST = "manifest.json"
"""What a folder of Parquet parts has, which other predictions are not added to."""
FORMATS = ("csv", "jsonl")


def open_folder(out: Path) -> None:
    """Make the folder if it does not exist, or check that predictions can be added to it.

    Raises:
        ConfigError: If it cannot be a folder, or holds predictions whose model is not known.
        SaveError: If it cannot be made, as in a read-only folder.
    """
    make_folder(out)
    if (out / MANIFEST).exists():
        raise ConfigError(
            f"{out} holds Parquet parts, as {MANIFEST} tells. Choose another --out, or add "
            "--format parquet to go on with them."
        )
    if (out / JOURNAL).exists() or (out / FORMER_JOURNAL).exists():
        return
    for table in (out / f"{TABLE}.{format}" for format in FORMATS):
        if table.exists():
            raise ConfigError(
                f"{table} exists, and there is no {JOURNAL} beside it that tells which model it is "
                "of: it was written by an earlier version or another program. Choose another "
                "--out, or move the file away."
            )


def journal_of(out: Path) -> Path:
    """Return the path of the folder's journal; one of a former version is renamed."""
    path, former = out / JOURNAL, out / FORMER_JOURNAL
    if former.exists() and not path.exists():
        former.rename(path)
    return path


def write_failed(path: Path, failed: Mapping[str, str], tried: Iterable[Path]) -> None:
    """Write a row for every input that failed, with the reason; no file if none failed.

    Args:
        path: File to write. Its rows on inputs that are not tried now are kept, under whatever
            spelling of their paths they were given.
        failed: Reason of each failure now, by input.
        tried: Files that were tried now.
    """
    again = {os.path.abspath(printable(file)) for file in tried}
    rows = {name: why for name, why in _earlier(path) if not _is_of(name, again)}
    rows |= failed
    if not rows:
        path.unlink(missing_ok=True)
    else:
        with whole_file(path) as file:
            csv.writer(file).writerows([("input", "reason"), *rows.items()])


def _earlier(path: Path) -> list[tuple[str, str]]:
    try:
        with plain_file(path).open(encoding="utf-8", newline="") as file:
            return [(row[0], row[1]) for row in list(csv.reader(file))[1:] if len(row) == 2]
    except (OSError, ValueError, csv.Error):
        return []


def _is_of(name: str, files: set[str]) -> bool:
    """Return whether an input such as "a.fasta record 3" is of one of the files."""
    words = name.split(" ")
    heads = (" ".join(words[:stop]) for stop in range(len(words), 0, -1))
    return any(os.path.abspath(head) in files for head in heads)
