"""Train and score the cells of a table; several processes can share the folder of the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from zoo.ablation.rows import OTHER, SEQUENCE, Cell
from zoo.errors import ConfigError
from zoo.models.blueprint import resolve
from zoo.models.runs import FACTS, read_run
from zoo.settings.config import NONE, Config
from zoo.settings.former import as_written
from zoo.system.files import write_json
from zoo.system.listener import SILENT, Listener
from zoo.system.locks import claimed
from zoo.training.record import NO_EFFECT, differing

METRICS = "metrics.json"


@dataclass(frozen=True)
class Plan:
    """A table to fill.

    Attributes:
        base: config that the cells change.
        data: folder of prepared data or of a benchmark.
        out: folder of the table, with one folder for each cell.
        seeds: number of models to train for each cell.
        sizes: arguments of graph networks, such as "egnn.hidden=64".
        store: folder for hidden states and graphs; None for the default folder.
        bootstrap: number of bootstrap resamples; None for as many as the number of differences in
            a whole table needs.
    """

    base: Config
    data: Path
    out: Path
    seeds: int
    sizes: Sequence[str] = ()
    store: Path | None = None
    bootstrap: int | None = None

    def done(self, cell: Cell) -> bool:
        """Return whether a cell has been scored."""
        return (self.out / cell.name / METRICS).is_file()

    def others(self) -> list[Cell]:
        """Return the scored cells of other language models, which are not among all rows."""
        folders = [path.parent for path in sorted(self.out.glob(f"{SEQUENCE}_*/{METRICS}"))]
        names = [read_run(folder).facts["config"]["sequence"]["name"] for folder in folders]
        return [cell for name in names if self.done(cell := Cell(f"{SEQUENCE}{OTHER}{name}", NONE))]


def fill(plan: Plan, wanted: Sequence[Cell], listener: Listener = SILENT) -> list[Cell]:
    """Train and score the missing cells; return the cells that other processes work on.

    Args:
        plan: table to fill.
        wanted: cells to train, in this order.
        listener: receives the progress, and may ask to stop.

    Raises:
        ConfigError: if the language model of a cell cannot be run as the config says.
        WeightsError: if its weights cannot be found.
        Stopped: when asked to stop; the same call continues.
    """
    for cell in wanted:  # before the first of them takes hours
        if OTHER in cell.row and not plan.done(cell):
            resolve(cell.config(plan.base, plan.sizes))
    elsewhere = []
    for cell in wanted:
        if plan.done(cell):
            _check_same(plan, cell)
            continue
        with claimed(plan.out / f"{cell.name}.lock") as mine:
            if not mine:
                elsewhere.append(cell)
            elif not plan.done(cell):  # another process may have finished it meanwhile
                listener.say(f"--- {cell.name}")
                _train(plan, cell, listener)
                _score(plan, cell, len(wanted) - 1)
    return elsewhere


def _check_same(plan: Plan, cell: Cell) -> None:
    """Check that a cell that is done was trained with the settings of the table.

    Raises:
        ConfigError: if it was not, as with another config or by an earlier version.
    """
    facts = read_run(plan.out / cell.name).facts
    began = Config.from_dict(as_written(facts["config"]))
    if differ := differing(began, cell.config(plan.base, plan.sizes), NO_EFFECT):
        raise ConfigError(
            f"{plan.out / cell.name} was trained with other settings than its row has here "
            f"({'; '.join(differ)}). Choose another --out, or show the table with --only-table."
        )


def _train(plan: Plan, cell: Cell, listener: Listener) -> None:
    from zoo.training.planning import Wish
    from zoo.training.running import fit

    folder = plan.out / cell.name
    begun = (folder / FACTS).is_file()
    wish = Wish(
        config=cell.config(plan.base, plan.sizes), data=plan.data, out=folder,
        seeds=1 if begun else plan.seeds, resume=begun, store=plan.store,
    )  # fmt: skip
    fit(wish, listener)


def _score(plan: Plan, cell: Cell, beside: int) -> None:
    from zoo.metrics.predictions import NAME, write_predictions
    from zoo.models.checkpoint import load_model
    from zoo.models.summary import count
    from zoo.prediction.evaluation import Settings, evaluate_run

    folder = plan.out / cell.name
    run = read_run(folder)
    settings = Settings(bootstrap=plan.bootstrap, beside=beside)
    metrics, predictions, _ = evaluate_run(run, run.data, settings)
    metrics["parameters"] = count(load_model(folder), trainable=True)
    write_predictions(folder / NAME, predictions)
    write_json(folder / METRICS, metrics)  # written last, as it marks the cell as done
