"""`python -m zoo.split labels.csv`: a split for your own table."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from zoo.cli import console, run


def split(
    labels: Annotated[Path, typer.Argument(help="A table with a column id.")],
    by: Annotated[str, typer.Option(help="random, cluster, structure, time or column.")] = "random",
    fractions: Annotated[str, typer.Option(help="Train, validation, test.")] = "0.8,0.1,0.1",
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same split.")] = 0,
    column: Annotated[str, typer.Option(help="For --by time and --by column.")] = "",
    identity: Annotated[
        float, typer.Option(min=0.1, max=1.0, help="Of a cluster's sequences, for --by cluster.")
    ] = 0.3,
    out: Annotated[
        Path | None, typer.Option(help="Table to write; by default NAME_split.csv beside it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Add a column `split` to a table: train, validation or test.

    By cluster, sequences that are alike are in one split. By structure, structures of one fold
    are: by foldseek where it is installed, else by TM-align for at most 200 of them. By column,
    rows of one value are, or the column's own train, validation and test are taken.

    Example: python -m zoo.split labels.csv --by cluster --identity 0.3 --out labels_split.csv
    """
    from zoo.splitting import distribution, parse_fractions, split_rows
    from zoo.tasks import folds, similarity

    clustering = {"cluster": similarity.method, "structure": folds.method}
    table = _read(labels)
    shares = parse_fractions(fractions)
    splits, groups = split_rows(table, labels.parent, by, shares, seed, column, identity)
    out = out or labels.with_name(f"{labels.stem}_split.csv")  # its paths stay right
    _write(out, table | {"split": splits})
    summary = {
        "out": str(out),
        "by": by,
        "seed": seed,
        **({"identity": identity} if by == "cluster" else {}),
        **({"clustering": clustering[by]()} if by in clustering else {}),
        "groups": groups,
        "sizes": {name: Counter(splits)[name] for name in ("train", "validation", "test")},
        "labels": distribution(table, splits),
    }
    if as_json:
        print(json.dumps(summary, indent=2))
    else:
        _show(summary)


def _read(path: Path) -> dict[str, list[str]]:
    """Return the cells by column.

    Raises:
        DataError: if the table cannot be read, has no rows or no column id.
    """
    from zoo.tasks.reading.csv_files import read_rows
    from zoo.tasks.samples import DataError

    rows = [row for _, row in read_rows(path)]
    if not rows:
        raise DataError(f"{path}: holds no rows")
    if "id" not in rows[0]:
        raise DataError(f"{path}:1: there is no column 'id'; the columns are {', '.join(rows[0])}")
    return {name: [row[name] for row in rows] for name in rows[0]}


def _write(path: Path, table: dict[str, list[str]]) -> None:
    import csv

    from zoo.tasks.samples import DataError

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(table)
            writer.writerows(zip(*table.values(), strict=True))
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror or error})") from None


def _show(summary: dict[str, Any]) -> None:
    from rich.markup import escape
    from rich.table import Table

    kept = {"cluster": " clusters", "structure": " folds", "column": " values"}.get(summary["by"])
    groups = f", {summary['groups']:,}{kept}" if kept else ""
    sizes = summary["sizes"]
    console.print(f"{summary['out']}: {sum(sizes.values()):,} rows{groups}", highlight=False)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("", *sizes):
        table.add_column(heading, overflow="fold")
    table.add_row("rows", *(f"{size:,}" for size in sizes.values()))
    for name, splits in summary["labels"].items():
        table.add_row(escape(name), *(escape(_cell(splits[key])) for key in sizes))
    console.print(table)


def _cell(found: dict[str, Any]) -> str:
    if not found["labelled"]:
        return "no labels"
    if "mean" in found:
        return f"{found['labelled']:,}, mean {found['mean']:g}"
    return f"{found['labelled']:,}, {found['share']:.0%} {found['largest']}"


if __name__ == "__main__":
    run(split)
