"""A fair table: every way to join the branches, with every graph network, on the same data."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from zoo.cli import console, err_console, run
from zoo.errors import ConfigError
from zoo.options import names


def ablate(
    config: Annotated[
        str,
        typer.Argument(
            help="Shipped config or YAML file: the settings.", autocompletion=names("config")
        ),
    ],
    data: Annotated[Path, typer.Option(help="Prepared folder, or a benchmark's.")],
    out: Annotated[Path, typer.Option(help="Folder of the table, to write or to go on with.")],
    row: Annotated[list[str] | None, typer.Option(help="Only this row; may be repeated.")] = None,
    struct: Annotated[
        list[str] | None,
        typer.Option(
            help="Only this graph network; may be repeated.", autocompletion=names("structure")
        ),
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Any config key: train.epochs=4.")
    ] = None,
    size: Annotated[
        list[str] | None, typer.Option(help="An argument of a graph network: egnn.hidden=64.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Models a cell; predictions are averaged.")] = 3,
    bootstrap: Annotated[int, typer.Option(min=1, help="Resamples.")] = 1000,
    store: Annotated[
        Path | None, typer.Option(help="Folder of stored states and graphs; ZOO_STORE.")
    ] = None,
    only_table: Annotated[
        bool, typer.Option("--only-table", help="Train nothing: tell what is there.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the table as JSON.")] = False,
) -> None:
    """Train and score each cell, and compare it with serial fusion on the same proteins.

    Stop it with Ctrl-C: the same command goes on. Several at once share the cells among them.

    Example: python -m zoo.ablate ppbs_plm_mini_gvp_local --data PPBS --out ablation/ppbs
    """
    from zoo.ablation.rows import cells, check_shared, check_sizes
    from zoo.ablation.running import Plan, fill
    from zoo.ablation.table import tabulate
    from zoo.config import load_config

    check_shared(set_ or [])
    base = load_config(config).with_values(set_ or [])
    if base.task is None:
        raise ConfigError(f"{config} has no task, so there is nothing to learn: --set task=ppbs.")
    wanted = cells(row, struct)
    check_sizes(size or [])
    plan = Plan(base, data, out, seeds, size or [], store, bootstrap)
    if not only_table:
        elsewhere = fill(plan, wanted, lambda cell: err_console.rule(cell.name))
        for cell in elsewhere:
            err_console.print(f"{cell.name}: another process is at it", highlight=False)
    rows = tabulate(plan, wanted)
    if not rows:
        raise ConfigError(f"{out} has no scored cell yet; leave --only-table out to train them.")
    if json:
        print(jsonlib.dumps(rows, indent=2))
        return
    _show(rows)
    left = sum(not plan.done(cell) for cell in wanted)
    more = f"; {left} of {len(wanted)} cells are missing" if left else ""
    console.print(f"wrote {out / 'table'}{more}", highlight=False, markup=False, soft_wrap=True)


def _show(rows: list[dict[str, Any]]) -> None:
    """Print one table a target and subset."""
    from zoo.ablation.table import interval_text

    console.print("95 % intervals over proteins or groups", highlight=False)
    for target, subset in dict.fromkeys((one["target"], one["subset"]) for one in rows):
        mine = [one for one in rows if (one["target"], one["subset"]) == (target, subset)]
        metric = f"{mine[0]['metric'].replace('_', ' ')}, {mine[0]['better']} is better"
        title = f"\n{target}, {subset}, {mine[0]['n']} samples: {metric}"
        console.print(title, highlight=False, style="bold")
        table = Table(box=None, pad_edge=False, header_style="dim")
        for name in ("fusion", "network", "score", "to serial", "baseline"):
            table.add_column(name, no_wrap=True)
        for one in mine:
            told = (interval_text(one["score"]), interval_text(one["to serial"], "+"))
            table.add_row(one["row"], one["struct"], *told, _against(one))
        console.print(table)


def _against(row: dict[str, Any]) -> str:
    """Say whether a score is clear of the best trivial baseline's."""
    floor = row["baseline"]
    if floor is None or None in (floor["low"], floor["high"]):
        return ""
    sign = 1 if row["better"] == "higher" else -1
    ends = sorted((sign * floor["low"], sign * floor["high"]))
    return "better" if ends[0] > 0 else "worse" if ends[1] < 0 else "not clear"


if __name__ == "__main__":
    run(ablate)
