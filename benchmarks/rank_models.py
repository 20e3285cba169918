"""How well simple numbers rank the models of a target, beside the predictions of a trained model.

    python -m zoo.evaluate RUN                          # writes RUN/predictions.csv
    python benchmarks/rank_models.py PREPARED RUN/predictions.csv --kin T0967,T1006 --out FILE.json

PREPARED are data of the task mqa. Of each test sample: the CA contacts within 8 angstrom (three
residues apart or more), minus the radius of gyration, the number of residues, the mean log-odds of
the feature set sequence_fit, and what boosted trees predict that were fitted on the training
samples, without these log-odds and with four numbers of them. A constant ranks as 0. Intervals are
bootstraps over targets; those that `--kin` names together are drawn together.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor

from zoo.data.samples import Sample
from zoo.data.store import Store
from zoo.metrics.regression import spearman
from zoo.metrics.shape import CONTACT, known_ca, radius_of_gyration
from zoo.metrics.trees import SEEDS, SETTINGS, mean_inputs
from zoo.proteins.feature_sets import computed
from zoo.proteins.protein import Protein

TARGET, APART, RESAMPLES = "gdt_ts", 3, 2000
Array = NDArray[np.float64]


def simple(protein: Protein) -> dict[str, float]:
    """Return contacts, minus the radius of gyration, and length."""
    ca = known_ca(protein)
    at = np.arange(len(ca))
    near = np.linalg.norm(ca[:, None] - ca, axis=-1) < CONTACT
    contacts = (near & (at - at[:, None] >= APART)).sum()
    return {"contacts": float(contacts), "minus radius": -radius_of_gyration(protein),
            "length": float(len(ca))}  # fmt: skip


def log_odds(protein: Protein) -> Array:
    """Return mean, median, 20th percentile and share above 0 of `sequence_fit`."""
    own = computed(protein, ["sequence_fit"]).scalars[:, 0]
    return np.array([own.mean(), np.median(own), np.percentile(own, 20), (own > 0).mean()])


def trees(train: Array, y: Array, test: Array) -> Array:
    """Return what the baseline's boosted trees, fitted on the training rows, predict."""
    models = [HistGradientBoostingRegressor(**SETTINGS, random_state=seed) for seed in SEEDS]
    return np.mean([model.fit(train, y).predict(test) for model in models], axis=0)


def scores(prepared: Path, predictions: Path) -> tuple[dict[str, Array], Array, NDArray[Any]]:
    """Return the numbers by name, GDT-TS and target of each test sample."""
    with Store(prepared / "store") as store:
        samples = [store[key] for key in store.keys()]
    train, test = ([x for x in samples if x.split == part] for part in ("train", "test"))
    with predictions.open(newline="") as file:
        told = {row["id"]: float(row["y_pred"]) for row in csv.DictReader(file)}
    found = {"model": np.array([told[x.id] for x in test])}
    numbers = [simple(x.protein) for x in test]
    found |= {key: np.array([row[key] for row in numbers]) for key in numbers[0]}
    odds = [np.stack([log_odds(x.protein) for x in part]) for part in (train, test)]
    inputs = [np.concatenate([mean_inputs(x.protein) for x in part]) for part in (train, test)]
    y, of_test = _labels(train), _labels(test)
    found["log-odds"] = odds[1][:, 0]
    found["boosted trees"] = trees(inputs[0], y, inputs[1])
    more = [np.concatenate(pair, axis=1) for pair in zip(inputs, odds, strict=True)]
    found["boosted trees with log-odds"] = trees(more[0], y, more[1])
    return found, of_test, np.array([x.group for x in test])


def _labels(samples: list[Sample]) -> Array:
    return np.array([float(x.targets[TARGET]) for x in samples])


def ranking(
    found: dict[str, Array], y: Array, group: NDArray[Any], kin: list[list[str]]
) -> dict[str, Any]:
    """Return the mean Spearman correlation within targets, and what the model has more."""
    names = sorted({*group.tolist()})
    together = [*kin, *([name] for name in names if not any(name in some for some in kin))]
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, len(together), (RESAMPLES, len(together)))
    draws = [[name for row in rows for name in together[row]] for rows in drawn]
    within = {
        key: {name: _within(values[group == name], y[group == name]) for name in names}
        for key, values in found.items()
    }
    model = within["model"]
    return {
        key: {
            "spearman within targets": _interval(own, names, draws),
            "the model minus it": _interval({n: model[n] - own[n] for n in names}, names, draws),
            "pooled spearman": spearman(y, found[key]),
            "by target": own,
        }
        for key, own in within.items()
    }


def _within(values: Array, y: Array) -> float:
    return spearman(y, values) if np.ptp(values) else 0.0


def _interval(values: dict[str, float], names: list[str], draws: list[list[str]]) -> list[float]:
    means = [np.mean([values[name] for name in some]) for some in draws]
    low, high = np.percentile(means, [2.5, 97.5])
    return [float(np.mean([values[name] for name in names])), float(low), float(high)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("prepared", type=Path)
    parser.add_argument("predictions", type=Path)
    parser.add_argument("--kin", action="append", default=[], help="targets, as A,B; repeatable")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    found = ranking(*scores(given.prepared, given.predictions), [x.split(",") for x in given.kin])
    for key, row in found.items():
        value, more = row["spearman within targets"], row["the model minus it"]
        print(f"{key:28} {value[0]:.3f} ({value[1]:.3f}, {value[2]:.3f}); the model has "
              f"{more[0]:+.3f} ({more[1]:+.3f}, {more[2]:+.3f})")  # fmt: skip
    if given.out:
        given.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
