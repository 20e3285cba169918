"""What comes after the trials of a search: the report, and the best trials trained again."""

from __future__ import annotations

from typing import Any

from hpo.report import write_report
from hpo.retrain import BEST, retrained
from hpo.search import Search
from hpo.study import load_study
from zoo.system.listener import Listener


def finish(
    search: Search, retrain: int, seeds: int, workers: int, listener: Listener
) -> dict[str, Any]:
    """Write the report, train the best again, and return what came of the search.

    The report is written first, since it is what shows why no trial may be good enough to train.

    Raises:
        NoTrialError: if no trial is; the report is there.
    """
    rows: list[dict[str, Any]] = []
    study, place = load_study(search.storage, search.name), search.folder / "report"
    page = write_report(study, place)
    if retrain and len(search.objectives) == 1:
        rows = retrained(search, retrain, seeds, workers, listener)
        study = load_study(search.storage, search.name)
        page = write_report(study, place)
    return {
        "study": search.name, "trials": len(study.trials),
        "best": [{"trial": trial.number, "values": trial.values, "params": trial.params}
                 for trial in study.best_trials],
        "retrained": rows, "config": str(search.folder / BEST) if rows else None,
        "report": str(page),
    }  # fmt: skip
