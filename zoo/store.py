"""`python -m zoo.store`: list, check and shrink the store of hidden states and graphs."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.command.cli import run
from zoo.command.say import note, progress, say, show
from zoo.command.sums import Sum, show_sum
from zoo.errors import ConfigError, unknown
from zoo.states.room import size_text
from zoo.system.counting import counted

if TYPE_CHECKING:
    from zoo.states.upkeep import Holding

ACTIONS = ("ls", "verify", "prune")


def store(
    action: Annotated[
        str,
        typer.Argument(help="What to do: ls (list), verify (check all files) or prune (remove)."),
    ],
    root: Annotated[
        Path | None,
        typer.Option(help="Folder of the store; default: ZOO_STORE, or one in the user's cache."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="prune: remove entries whose name, as ls shows it, matches this wildcard."
        ),
    ] = None,
    older_than: Annotated[
        float | None,
        typer.Option(min=0, help="prune: remove entries that were not used for so many days."),
    ] = None,
    damaged: Annotated[
        bool,
        typer.Option(
            "--damaged", help="prune: remove only damaged files and leftovers of killed runs."
        ),
    ] = False,
    everything: Annotated[bool, typer.Option("--all", help="prune: remove everything.")] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="prune: show what would be removed, and remove nothing."),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """List, check or shrink the store of hidden states and graphs.

    Everything in the store can be computed again. A run that is reading what you remove stops with
    an error.

    Example: python -m zoo.store prune --older-than 30
    """
    if action not in ACTIONS:
        raise unknown("action", action, ACTIONS)
    options = {"--model": model is not None, "--older-than": older_than is not None,
               "--damaged": damaged, "--all": everything, "--dry-run": dry_run}  # fmt: skip
    _check(action, [name for name, given in options.items() if given])
    from zoo.system.files import cache_root

    root = (root or cache_root()).expanduser()
    if action == "ls":
        _list(root, json)
    elif action == "verify":
        _verify(root, json)
    else:
        _prune(root, model, older_than, damaged, dry_run, json)


def _check(action: str, given: list[str]) -> None:
    if action != "prune" and given:
        raise ConfigError(f"{', '.join(given)} only goes with `prune`, not with `{action}`.")
    which = [name for name in given if name != "--dry-run"]
    if action == "prune" and not which:
        raise ConfigError(
            "Say what to remove: --damaged (damaged files), --model 'esm2_8m-*', --older-than "
            "DAYS, or --all; with --dry-run, nothing is removed."
        )
    if "--all" in which and len(which) > 1:
        raise ConfigError(f"--all removes everything: leave out {', '.join(which[:-1])}.")


def _list(root: Path, as_json: bool) -> None:
    from zoo.states.upkeep import holdings

    rows = [_row(holding) for holding in holdings(root)]
    total = sum(row["bytes"] for row in rows)
    if as_json:
        print(jsonlib.dumps({"root": str(root), "bytes": total, "holdings": rows}, indent=2))
        return
    if rows:
        _table(rows)
    say(f"{size_text(total)} in {root}")
    if broken := sum(row["damaged"] for row in rows):
        note(f"{broken} damaged files are not used; `python -m zoo.store verify` lists them")


def _row(holding: Holding) -> dict[str, Any]:
    count, damaged = holding.count()
    return {
        "name": holding.name, "layers": holding.layers, "entries": count,
        "bytes": sum(path.stat().st_size for path in holding.shards),
        "last_used": holding.last_used, "damaged": damaged,
    }  # fmt: skip


def _table(rows: list[dict[str, Any]]) -> None:
    from datetime import datetime

    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("name", "layers", "entries", "size", "last used"):
        right = column in ("entries", "size")
        table.add_column(column, overflow="fold", justify="right" if right else "left")
    for row in rows:
        used = datetime.fromtimestamp(row["last_used"]).strftime("%Y-%m-%d %H:%M")
        layers = ", ".join(map(str, row["layers"]))
        table.add_row(row["name"], layers, f"{row['entries']:,}", size_text(row["bytes"]), used)
    show(table)


def _verify(root: Path, as_json: bool) -> None:
    from zoo.states.upkeep import damage, holdings, leftovers

    shards = [path for holding in holdings(root) for path in holding.shards]
    with progress("checking", len(shards)) as advance:
        found = damage(shards, advance)
    problems = [line for lines in found.values() for line in lines]
    stale = [str(path) for path in leftovers(root)]
    total = Sum("files", len(shards), len(shards) - len(found),
                {"damaged": len(found)} if found else {})  # fmt: skip
    if as_json:
        values = {"root": str(root), "files": len(shards), "problems": problems,
                  "leftovers": stale, "sum": total.to_dict()}  # fmt: skip
        print(jsonlib.dumps(values, indent=2))
    else:
        for line in problems:
            say(line)
        say(f"{counted(len(shards), 'file')} checked in {root}, {len(found)} damaged, "
              f"{len(stale)} leftovers of killed runs")  # fmt: skip
        show_sum(total)
    if found or stale:
        note("`python -m zoo.store prune --damaged` removes them; what is needed is computed again")
    if found:
        raise SystemExit(1)


def _prune(
    root: Path, model: str | None, days: float | None, damaged: bool, dry_run: bool, as_json: bool
) -> None:
    from zoo.states import upkeep

    held = upkeep.chosen(upkeep.holdings(root), pattern=model, days=days)
    doomed = [path for holding in held for path in holding.shards]
    if damaged:
        with progress("checking", len(doomed)) as advance:
            doomed = list(upkeep.damage(doomed, advance))
    doomed += upkeep.leftovers(root)
    freed = sum(p.stat().st_size for p in doomed) if dry_run else upkeep.remove(doomed, root)
    if as_json:
        values = {"root": str(root), "dry_run": dry_run, "bytes": freed,
                  "files": [str(path) for path in doomed]}  # fmt: skip
        print(jsonlib.dumps(values, indent=2))
        return
    for holding in [] if damaged else held:
        say(holding.name)
    said = "would be freed" if dry_run else "freed"
    say(f"{size_text(freed)} {said} in {root}: {counted(len(doomed), 'file')}")


if __name__ == "__main__":
    run(store)
