"""`python -m zoo.ablate`: compare every fusion with every graph network on the same data."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from zoo.command.cli import run
from zoo.command.interrupts import asked_to_stop
from zoo.command.options import ConfigKeys, PairedResamples, StoreFolder, names
from zoo.command.say import note, say, show, terminal
from zoo.errors import ConfigError
from zoo.system.counting import counted


def ablate(
    config: Annotated[
        str,
        typer.Argument(
            help="Settings of all cells: a shipped config or a YAML file.",
            autocompletion=names("config"),
        ),
    ],
    data: Annotated[
        Path, typer.Option(help="Folder of a benchmark, or one that zoo.prepare wrote.")
    ],
    out: Annotated[
        Path,
        typer.Option(help="Folder for the models and the table; an unfinished one is continued."),
    ],
    row: Annotated[
        list[str] | None,
        typer.Option(
            help="Row to fill, instead of all rows; may be repeated. sequence:NAME is that of "
            "another language model alone, such as saprot_650m, which reads the structure itself."
        ),
    ] = None,
    struct: Annotated[
        list[str] | None,
        typer.Option(
            help="Graph network to use, instead of all; may be repeated.",
            autocompletion=names("structure"),
        ),
    ] = None,
    set_: ConfigKeys = None,
    size: Annotated[
        list[str] | None,
        typer.Option(
            help="Set an argument of a graph network, e.g. egnn.hidden=64; may be repeated."
        ),
    ] = None,
    seeds: Annotated[
        int,
        typer.Option(min=1, help="Models to train for each cell; their predictions are averaged."),
    ] = 3,
    bootstrap: PairedResamples = None,
    store: StoreFolder = None,
    only_table: Annotated[
        bool,
        typer.Option(
            "--only-table", help="Train nothing; show the table of the cells that are scored."
        ),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the table as JSON.")] = False,
) -> None:
    """Train and score every fusion with every graph network, and compare each with serial fusion.

    Ctrl-C stops it; the same command continues. Several processes that run the same command at
    once share the cells of the table among them.

    Example: python -m zoo.ablate ppbs_plm_mini_gearnet_local --data PPBS --out ablation/ppbs
    """
    from zoo.settings.config import load_config
    from zoo.training.starting import check_data

    base = load_config(config).with_values(set_ or [])
    if base.task is None:
        raise ConfigError(f"{config} has no task, so there is nothing to learn: --set task=ppbs.")
    if not only_table:
        check_data(base.task, data)

    from zoo.ablation.rows import cells, check_shared, check_sizes  # these take seconds
    from zoo.ablation.running import Plan, fill
    from zoo.ablation.table import tabulate

    check_shared(set_ or [])
    wanted = cells(row, struct)
    check_sizes(size or [])
    plan = Plan(base, data, out, seeds, size or [], store, bootstrap)
    if not only_table:
        with asked_to_stop() as asked:
            elsewhere = fill(plan, wanted, terminal(asked))
        for cell in elsewhere:
            note(f"{cell.name}: another process is working on it")
    rows = tabulate(plan, wanted if row else [*wanted, *plan.others()])
    if not rows:
        raise ConfigError(f"{out} has no scored cell yet; run without --only-table to train them.")
    if json:
        print(jsonlib.dumps(rows, indent=2))
        return
    _show(rows)
    left = sum(not plan.done(cell) for cell in wanted)
    more = f"; {left} of {len(wanted)} cells are missing" if left else ""
    say(f"wrote {out / 'table'}{more}")


def _show(rows: list[dict[str, Any]]) -> None:
    """Print one table for each target and subset."""
    from zoo.ablation.table import CLEAR, DIFFERENCES, difference_text, differences, interval_text
    from zoo.metrics.multiple import ALPHA, told

    say("95 % intervals over proteins or groups")
    for target, subset in dict.fromkeys((one["target"], one["subset"]) for one in rows):
        mine = [one for one in rows if (one["target"], one["subset"]) == (target, subset)]
        metric = f"{mine[0]['metric'].replace('_', ' ')}, {mine[0]['better']} is better"
        title = f"\n{target}, {subset}, {counted(mine[0]['n'], 'sample')}: {metric}"
        say(title, style="bold")
        # One space between columns, and short counts, to fit into the 80 columns of a terminal.
        table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
        shown = [name for name in DIFFERENCES if any(one[name] for one in mine)]
        for name in ("fusion", "network", "params", "score", *shown):
            table.add_column(name, no_wrap=name not in DIFFERENCES)
        for one in mine:
            texts = {"to serial": difference_text(one["to serial"]), "baseline": _against(one)}
            row = (one["row"], one["struct"], _short(one), interval_text(one["score"]))
            table.add_row(*row, *(texts[name] for name in shown))
        show(table)
    meaning = {"to serial": f"{CLEAR} differs from serial fusion",
               "baseline": "better or worse than the baseline"}  # fmt: skip
    compared = [meaning[name] for name in DIFFERENCES if any(one[name] for one in rows)]
    if compared:
        say(f"\n{', '.join(compared)}: p < {ALPHA}")
    for column in DIFFERENCES:
        if corrected := told(differences(rows, column)):
            say(f"{column}: {corrected}", style="dim")


def _short(row: dict[str, Any]) -> str:
    """Return the number of trained parameters as 12k or 1.2M; "" where it was not counted."""
    count = row["parameters"]
    if count is None:
        return ""
    return f"{count / 1e6:.1f}M" if count >= 999_500 else f"{count / 1e3:.0f}k"


def _against(row: dict[str, Any]) -> str:
    """Return whether a score is better or worse than the best trivial baseline, "" if unknown."""
    from zoo.metrics.multiple import clear

    floor = row["baseline"]
    if floor is None or floor["p_holm"] is None:
        return ""
    if not clear(floor):
        return "not clear"
    return "better" if (floor["value"] > 0) == (row["better"] == "higher") else "worse"


if __name__ == "__main__":
    run(ablate)
