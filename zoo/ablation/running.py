"""Train and score the cells of a table; any number of processes share one folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from zoo.ablation.rows import Cell
from zoo.config import Config
from zoo.locks import claimed
from zoo.runs import FACTS, read_run, write_json

METRICS = "metrics.json"


@dataclass(frozen=True)
class Plan:
    """A table to fill.

    Attributes:
        base: the config that cells change.
        data: prepared folder, or a benchmark's.
        out: folder of the table, one folder a cell.
        seeds: models a cell.
        sizes: arguments of graph networks, "egnn.hidden=64".
        store: folder of stored states; None for the usual one.
        bootstrap: resamples.
    """

    base: Config
    data: Path
    out: Path
    seeds: int
    sizes: Sequence[str] = ()
    store: Path | None = None
    bootstrap: int = 1000

    def done(self, cell: Cell) -> bool:
        """Return whether a cell has been scored."""
        return (self.out / cell.name / METRICS).is_file()


def fill(plan: Plan, wanted: Sequence[Cell], tell: Callable[[Cell], None]) -> list[Cell]:
    """Train and score what is missing; return what other processes are at.

    Args:
        plan: the table.
        wanted: cells, in this order.
        tell: told each cell before its turn.

    Raises:
        SystemExit: if stopped; the same call goes on.
    """
    elsewhere = []
    for cell in wanted:
        if plan.done(cell):
            continue
        with claimed(plan.out / f"{cell.name}.lock") as mine:
            if not mine:
                elsewhere.append(cell)
            elif not plan.done(cell):  # another process may have ended it meanwhile
                tell(cell)
                _train(plan, cell)
                _score(plan, cell)
    return elsewhere


def _train(plan: Plan, cell: Cell) -> None:
    from zoo.train import fit
    from zoo.training.job import Hardware
    from zoo.training.planning import Wish

    folder = plan.out / cell.name
    begun = (folder / FACTS).is_file()
    fit(Wish(
        config=cell.config(plan.base, plan.sizes), data=plan.data, out=folder,
        seeds=1 if begun else plan.seeds, fold=None, resume=begun, store=plan.store, limit=None,
        hardware=Hardware(devices="1"), loggers=(),
    ))  # fmt: skip


def _score(plan: Plan, cell: Cell) -> None:
    from zoo.metrics.predictions import NAME, write_predictions
    from zoo.prediction.evaluation import Settings, evaluate_run

    folder = plan.out / cell.name
    run = read_run(folder)
    metrics, predictions = evaluate_run(run, run.data, Settings(bootstrap=plan.bootstrap))
    write_predictions(folder / NAME, predictions)
    write_json(folder / METRICS, metrics)  # last: with it the cell is done
