"""Read a benchmark, or your own labels, once; say what was found; check for leaks."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.cli import INTERRUPTED, Interrupts, console, err_console, progress, run, warn

if TYPE_CHECKING:
    from zoo.tasks.samples import Layout


def prepare(
    task: Annotated[str, typer.Argument(help="react, ec, mqa, lba, ppbs, bce or table.")],
    data: Annotated[Path, typer.Option(help="Folder of the benchmark, or of your labels.csv.")],
    out: Annotated[Path, typer.Option(help="Folder to write, or to go on with.")],
    layout: Annotated[
        str | None, typer.Option(help="How the data lie; found out if left out.")
    ] = None,
    identity: Annotated[float, typer.Option(help="Sequences at least this alike leak.")] = 0.9,
    strict: Annotated[bool, typer.Option(help="A leak between splits is an error.")] = False,
    allow_pickle: Annotated[
        bool, typer.Option(help="Read pickled records, which can run code.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Read every sample into a compact store and report on each chain.

    Interrupt it with Ctrl-C: the same command goes on where it stopped. Nothing is lost silently:
    report.csv has a row for every chain and every sample left out, with the reason.

    Example: python -m zoo.prepare ppbs --data PPBS --out prepared/ppbs
    """
    from zoo.tasks.samples import DataError, find_layout

    found = find_layout(task, data, layout)
    if hasattr(found, "allow_pickle"):
        found.allow_pickle = allow_pickle
    manifest = prepared(found, task, out, f"{task}/{layout} {allow_pickle}", identity)
    _print(manifest, out, json)
    if not manifest["samples"]:
        raise DataError(f"Not one sample could be prepared; {out / 'report.csv'} has each reason.")
    if strict and manifest["leaks"]:
        raise DataError(
            f"{len(manifest['leaks'])} pairs of chains of different splits are at least "
            f"{identity:.0%} identical; {out / 'manifest.json'} lists them. Use python -m "
            "zoo.split --by cluster, or leave --strict out."
        )


def prepared(layout: Layout, task: str, out: Path, way: str, identity: float) -> dict[str, Any]:
    """Return the manifest of prepared data, which are read first where they are not there.

    Args:
        layout: the data.
        task: they are for.
        out: folder to write, or to go on with.
        way: settings that the data are read with.
        identity: sequences at least this alike leak.
    """
    from zoo.tasks.preparing import contents, fingerprint, read_manifest

    stamp, manifest = fingerprint(layout, way), read_manifest(out)
    fresh = manifest.get("stamp") == stamp and manifest.get("complete")
    if not fresh:
        _fill(layout, out, stamp)
    if not fresh or manifest["identity"] != identity:
        prints = {"stamp": stamp, "inputs": contents(layout)}
        return _finish(layout, task, out, prints, identity)
    return manifest


def _fill(layout: Layout, out: Path, stamp: str) -> None:
    from zoo.tasks.preparing import fill

    out.mkdir(parents=True, exist_ok=True)
    with Interrupts() as interrupts, progress("reading", len(layout.keys())) as show:

        def advance(done: int, total: int) -> bool:
            show(done)
            return not interrupts.seen

        complete = fill(layout, out, stamp, advance)
    if not complete:
        err_console.print("interrupted; the same command goes on where this stopped")
        raise SystemExit(INTERRUPTED)


def _finish(
    layout: Layout, task: str, out: Path, prints: Mapping[str, str], identity: float
) -> dict[str, Any]:
    import dataclasses

    from zoo.tasks import data_report
    from zoo.tasks.preparing import REPORT, STORE, write_manifest
    from zoo.tasks.store import Store

    with Store(out / STORE) as store:
        index = store.index()
    data_report.write_csv(index, out / REPORT)
    manifest = {
        "task": task, "source": layout.source, **prints, "complete": True,
        "targets": [dataclasses.asdict(target) for target in layout.targets],
        "identity": identity, **data_report.summarise(index, layout.targets),
        "leaks": data_report.leaks(index, identity),
    }  # fmt: skip
    write_manifest(out, manifest)
    return manifest


def _print(manifest: dict[str, Any], out: Path, as_json: bool) -> None:
    if as_json:
        print(jsonlib.dumps({"out": str(out), **manifest}, indent=2))
        return
    _tables(manifest)
    residues = {name: count for name, count in manifest["residues"].items() if count}
    if residues:
        _line("residues: " + ", ".join(f"{count:,} {name}" for name, count in residues.items()))
    _line(f"{manifest['listed']:,} listed, {manifest['samples']:,} prepared, "
          f"{manifest['dropped']:,} dropped")  # fmt: skip
    for reason, count in sorted(manifest["reasons"].items(), key=lambda item: -item[1])[:5]:
        _line(f"  {count:,}: {reason}")
    _print_leaks(manifest["leaks"], manifest["identity"])
    _line(f"every chain and reason: {out / 'report.csv'}")


def _tables(manifest: dict[str, Any]) -> None:
    """Print the parts, and below them how each target's labels lie in each part."""
    from rich.table import Table

    parts = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("part", "samples", "hash of ids"):
        parts.add_column(column, justify="right" if column == "samples" else "left")
    for part, size in manifest["parts"].items():
        parts.add_row(part, f"{size:,}", manifest["ids_by_part"][part])
    labels = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("target", "part", "labels"):
        labels.add_column(column, overflow="fold")
    for target in manifest["targets"]:
        for part, facts in manifest["labels"][target["name"]].items():
            labels.add_row(f"{target['name']} ({target['kind']})", part, _labels(facts))
    console.print(parts)
    console.print()
    console.print(labels)


def _labels(facts: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value:,}" for name, value in facts.items())


def _print_leaks(leaks: list[dict[str, Any]], identity: float) -> None:
    if not leaks:
        _line(f"no chain of one split is {identity:.0%} identical to one of another")
        return
    warn(
        f"{len(leaks)} pairs of chains of different splits are at least {identity:.0%} identical:",
        style="bold yellow",
    )
    for leak in leaks[:5]:
        (a, b), (first, second) = leak["ids"], leak["splits"]
        warn(f"  {a} ({first}) and {b} ({second}): {leak['identity']:.0%}", style="")


def _line(text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    run(prepare)
