"""`python -m zoo.split`: split your own table into train, validation and test."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from zoo.command.cli import run
from zoo.command.say import say, show, terminal
from zoo.command.sums import Sum, grouped, show_sum
from zoo.system.counting import counted


def split(
    labels: Annotated[Path, typer.Argument(help="Table (CSV or TSV) with a column id.")],
    by: Annotated[
        str, typer.Option(help="How rows are split: by random, cluster, structure, time or column.")
    ] = "random",
    fractions: Annotated[
        str, typer.Option(help="Fractions of the rows for train, validation and test.")
    ] = "0.8,0.1,0.1",
    seed: Annotated[
        int,
        typer.Option(min=0, help="Seed of the random numbers; the same seed gives the same split."),
    ] = 0,
    column: Annotated[
        str, typer.Option(help="Name of the column that --by time or --by column uses.")
    ] = "",
    identity: Annotated[
        float,
        typer.Option(
            min=0.1, max=1.0, help="Sequence identity within a cluster, for --by cluster, 0.1 to 1."
        ),
    ] = 0.3,
    out: Annotated[
        Path | None,
        typer.Option(help="CSV file to write; default: NAME_split.csv next to the table."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Split a table: write a copy with a column `split` of train, validation or test.

    With --by cluster, similar sequences stay in one split. With --by structure, structures of one
    fold do; foldseek finds the folds if it is installed, otherwise TM-align, for at most 200
    structures. With --by column, rows with the same value stay in one split, unless the column
    holds train, validation and test itself. With --by time, the latest rows are the test data.
    Rows without what is needed, such as a readable sequence, are left out of the copy, with exit
    code 1.

    Example: python -m zoo.split labels.csv --by cluster --identity 0.3 --out labels_split.csv
    """
    table = _read(labels)  # before the imports below, which take seconds

    from zoo.data import folds, similarity
    from zoo.data.splitting import distribution, parse_fractions, split_rows

    clustering = {"cluster": similarity.method, "structure": folds.method}
    shares = parse_fractions(fractions)
    found = split_rows(table, labels.parent, by, shares, seed, column, identity, terminal())
    kept = {name: [cells[row] for row in found.split] for name, cells in table.items()}
    splits = list(found.split.values())
    out = out or labels.with_name(
        f"{labels.stem}_split.csv"
    )  # in the same folder, so that relative paths in it stay valid
    _write(out, kept | {"split": splits})
    summary = {
        "out": str(out),
        "by": by,
        "seed": seed,
        **({"identity": identity} if by == "cluster" else {}),
        **({"clustering": clustering[by]()} if by in clustering else {}),
        "groups": found.groups,
        "left_out": {table["id"][row]: why for row, why in found.left_out.items()},
        "sizes": {name: Counter(splits)[name] for name in ("train", "validation", "test")},
        "labels": distribution(kept, splits),
    }
    reasons = grouped(found.left_out.values())
    total = Sum("rows", len(table["id"]), len(splits), reasons)
    if as_json:
        print(json.dumps(summary | {"sum": total.to_dict()}, indent=2))
    else:
        _show(summary)
        show_sum(total)
    if found.left_out:
        raise typer.Exit(1)


def _read(path: Path) -> dict[str, list[str]]:
    """Return the cells by column.

    Raises:
        DataError: if the table cannot be read, or has no rows or no column id.
    """
    from zoo.data.reading.csv_files import read_rows
    from zoo.errors import DataError

    rows = [row for _, row in read_rows(path)]
    if not rows:
        raise DataError(f"{path}: holds no rows")
    if "id" not in rows[0]:
        raise DataError(f"{path}:1: there is no column 'id'; the columns are {', '.join(rows[0])}")
    return {name: [row[name] for row in rows] for name in rows[0]}


def _write(path: Path, table: dict[str, list[str]]) -> None:
    import csv

    from zoo.errors import DataError
    from zoo.system.files import whole_file

    try:
        with whole_file(path) as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(table)
            writer.writerows(zip(*table.values(), strict=True))
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror or error})") from None


def _show(summary: dict[str, Any]) -> None:
    from rich.table import Table

    kept = {"cluster": "cluster", "structure": "fold", "column": "value"}.get(summary["by"])
    groups = f", {counted(summary['groups'], kept)}" if kept else ""
    sizes = summary["sizes"]
    say(f"{summary['out']}: {counted(sum(sizes.values()), 'row')}{groups}")
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("", *sizes):
        table.add_column(heading, overflow="fold")
    table.add_row("rows", *(f"{size:,}" for size in sizes.values()))
    for name, splits in summary["labels"].items():
        table.add_row(name, *(_cell(splits[key]) for key in sizes))
    show(table)


def _cell(found: dict[str, Any]) -> str:
    if not found["labelled"]:
        return "no labels"
    if "mean" in found:
        return f"{found['labelled']:,}, mean {found['mean']:g}"
    return f"{found['labelled']:,}, {found['share']:.0%} {found['largest']}"


if __name__ == "__main__":
    run(split)
