"""Fits linear maps on parts, and chooses penalties and layers on validation samples alone.

Of each part, the penalty with the best validation score is kept; of the layers of a source, the one
with the best validation score. Test samples are predicted by what was chosen, and choose nothing.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from zoo.data.kin import Index, kin_of
from zoo.data.rounds import Round
from zoo.errors import DataError
from zoo.metrics.bootstrap import Interval, interval, paired
from zoo.metrics.columns import rows_of
from zoo.metrics.predictions import Predictions
from zoo.metrics.rows import Metric, Rows
from zoo.metrics.suite import SUITES, metrics_for
from zoo.metrics.verdict import headlines
from zoo.probing.linear import Map, Values, fits
from zoo.probing.parts import STOPPED, Part, Samples, Source
from zoo.probing.tables import Table, table
from zoo.system.counting import counted
from zoo.system.listener import SILENT, Listener, Stopped
from zoo.tasks import HEADLINE, Kind, Target

ROWS = 20_000
"""Training rows that a map is fitted on at most; of more, so many are drawn."""


@dataclass(frozen=True, eq=False)
class Probed:
    """A part with the linear map that validation samples chose.

    Attributes:
        part: What is read.
        penalty: Penalty of the map.
        map: The map itself.
        width: Columns of the part.
        validation: Its predictions for the validation samples.
        merit: The headline metric of these, its sign turned where less is better, so that more is
            better for all; the least there is if the metric is not defined.
    """

    part: Part
    penalty: float
    map: Map
    width: int
    validation: Predictions
    merit: float


@dataclass(frozen=True, eq=False)
class Tables:
    """The rows of one target in one round, which all parts are read at.

    Attributes:
        train: Rows that maps are fitted on, at most `ROWS` or as many as were asked for.
        validation: Rows that choose the penalty and the layer.
        test: Rows that what was chosen is scored on; None if they are not to be read.
        left_out: Reason by the key of each sample without rows.
    """

    train: Table
    validation: Table
    test: Table | None
    left_out: Mapping[str, str]


def tables(
    target: Target, samples: Samples, index: Index, keys: Round, sources: Sequence[Source], *,
    rows: int = ROWS, seed: int = 0, test: bool = False,
) -> Tables:  # fmt: skip
    """Return the rows of a target.

    Args:
        target: What is predicted.
        samples: Returns the sample of a key.
        index: Index records of the prepared samples.
        keys: Keys of the samples of each split.
        sources: What will be probed; if one is of structures, residues without coordinates do not
            count for any.
        rows: Training rows at most; of more, so many are drawn.
        seed: Seed of the draw.
        test: Whether to read test samples.

    Raises:
        DataError: If there is nothing to fit or nothing to choose by.
    """
    of_structure = any(source.of_structure for source in sources)
    read = [*keys.validation, *(keys.test if test else [])]
    kin = kin_of(index, read)
    train = table(target, samples, keys.train, {}, of_structure)
    validation = table(target, samples, keys.validation, kin, of_structure)
    last = table(target, samples, keys.test, kin, of_structure) if test else None
    _check(target, train, "training")
    _check(target, validation, "validation")
    drawn = train.drawn(rows, seed)
    if not _differ(drawn):
        raise DataError(
            f"{target.name}: the {len(drawn):,} training rows that were drawn all have the same "
            "value. Draw more with --rows, or others with --seed."
        )
    left_out = {**drawn.left_out, **validation.left_out}
    if last is not None:
        left_out |= last.left_out
    return Tables(drawn, validation, last, left_out)


def _differ(found: Table) -> bool:
    """Return whether the known values are not all the same."""
    y = found.truth.y_true
    return len(np.unique(y[np.isfinite(y)])) > 1


def _check(target: Target, found: Table, split: str) -> None:
    if _differ(found):
        return
    count = {0: "no known value", 1: "one known value"}
    told = count.get(len(found), f"{len(found):,} known values, all the same")
    reasons = Counter(found.left_out.values())
    left = "".join(f"; {counted(count, 'sample is', 'samples are')} left out: {why}"
                   for why, count in reasons.items())  # fmt: skip
    raise DataError(
        f"{target.name}: the {split} samples have {told}{left}. A probe needs different values in "
        "training and in validation samples."
    )


def probe(
    parts: Sequence[Part], found: Tables, samples: Samples, listener: Listener = SILENT
) -> list[Probed]:
    """Return each part with the map whose penalty scores best on validation samples.

    Raises:
        Stopped: When asked to stop.
    """
    probed = []
    with listener.progress(f"fitting {found.train.target.name}", len(parts)) as shown:
        for done, part in enumerate(parts, 1):
            probed.append(_probe(part, found, samples))
            shown(done)
            if listener.asked():
                raise Stopped(STOPPED)
    return probed


def _probe(part: Part, found: Tables, samples: Samples) -> Probed:
    x, held = (one.inputs(part, samples) for one in (found.train, found.validation))
    metric, tried = headline(found.train.target.kind), []
    for penalty, fitted in fits(x, found.train.truth.y_true, found.train.target):
        guess = _predictions(found.validation, fitted.predict(held))
        merit = _merit(metric, metric(rows_of(guess)))
        tried.append(Probed(part, penalty, fitted, x.shape[1], guess, merit))
    return best(tried)


def _predictions(rows: Table, values: Values) -> Predictions:
    return dataclasses.replace(rows.truth, y_pred=values)


def _merit(metric: Metric, score: float) -> float:
    if np.isnan(score):
        return -np.inf
    return score if metric.better == "higher" else -score


def headline(kind: Kind) -> Metric:
    """Return the metric of a kind of target by which penalties and layers are chosen."""
    return next(metric for metric in SUITES[kind] if metric.name == HEADLINE[kind])


def _metrics(predictions: Predictions, rows: Rows) -> list[Metric]:
    """Return the headline metric, and for residues the mean within chains where there is one."""
    known = {one.name: one for one in metrics_for(predictions, rows)}
    return [known[name] for name in headlines(predictions.target.kind, known)]


def best(probed: Sequence[Probed]) -> Probed:
    """Return what scores best on validation samples; of equal ones, the first."""
    return max(probed, key=lambda one: one.merit)


def best_layers(probed: Sequence[Probed]) -> dict[str, Probed]:
    """Return the best layer of each source that has layers."""
    layers = [one for one in probed if one.part.layer is not None]
    names = dict.fromkeys(one.part.source for one in layers)
    return {name: best([one for one in layers if one.part.source == name]) for name in names}


def on_test(chosen: Sequence[Probed], rows: Table, samples: Samples) -> list[Predictions]:
    """Return the predictions of chosen parts for the rows of test samples."""
    return [_predictions(rows, one.map.predict(rows.inputs(one.part, samples))) for one in chosen]


def scores(predictions: Predictions, n: int = 1000, seed: int = 0) -> dict[str, Interval]:
    """Return the headline metrics with their intervals over proteins, kin drawn together."""
    rows = rows_of(predictions)
    return {
        metric.name: interval(metric, rows, rows["cluster"], n, seed)
        for metric in _metrics(predictions, rows)
    }


def gains(
    one: Predictions, other: Predictions, n: int = 1000, seed: int = 0
) -> dict[str, Interval]:
    """Return how much the headline metrics of one are above those of another, on the same rows.

    There is no p-value: what is compared was often chosen on these very samples.
    """
    a, b = rows_of(other), rows_of(one)
    found = {}
    for metric in _metrics(one, b):
        x = paired(metric, a, b, a["cluster"], n, seed)
        found[metric.name] = Interval(x.value, x.low, x.high, x.n_groups, x.degenerate)
    return found
