"""A probe's findings as plain values, for JSON, the table and the picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zoo.metrics.predictions import Predictions
from zoo.probing.parts import LETTERS, RANDOM
from zoo.probing.probe import Probed, Tables, best, best_layers, gains, headline, scores


def kept(probed: Sequence[Probed]) -> list[Probed]:
    """Return what is scored on test samples: the best layer of each source, and all other parts."""
    layers = [id(one) for one in best_layers(probed).values()]
    return [one for one in probed if one.part.layer is None or id(one) in layers]


def described(
    probed: Sequence[Probed], found: Tables, test: Sequence[Predictions] | None = None,
    n: int = 1000, seed: int = 0,
) -> dict[str, Any]:  # fmt: skip
    """Return the findings for one target.

    Args:
        probed: Each part with its map.
        found: The rows of the target.
        test: Predictions of the parts that `kept` returns for test samples; None without a test.
        n: Number of resamples of each interval.
        seed: Seed of the resamples.
    """
    chosen = {id(one) for one in best_layers(probed).values()}
    tested = {} if test is None else dict(zip(map(id, kept(probed)), test, strict=True))
    metric = headline(found.train.target.kind)
    parts = []
    for one in probed:
        row: dict[str, Any] = {
            "source": one.part.source, "part": one.part.name, "title": one.part.title,
            "layer": one.part.layer, "width": one.width, "penalty": one.penalty,
            "chosen": id(one) in chosen, "validation": _scores(one.validation, n, seed),
        }  # fmt: skip
        if id(one) in tested:
            row["test"] = _scores(tested[id(one)], n, seed)
        parts.append(row)
    target = found.train.target
    return {
        "target": target.name, "kind": target.kind, "level": target.level,
        "metric": metric.name, "better": metric.better,
        "rows": {"train": len(found.train), "validation": len(found.validation)},
        "parts": parts, "layers": _layers(probed, n, seed),
    }  # fmt: skip


def _scores(predictions: Predictions, n: int, seed: int) -> dict[str, Any]:
    return {name: one.to_dict() for name, one in scores(predictions, n, seed).items()}


def _layers(probed: Sequence[Probed], n: int, seed: int) -> dict[str, Any]:
    """Return the best layer of each source, and how far it is above others on validation.

    These are the last layer, the same model with random weights, and the best of the letters.
    """
    chosen = best_layers(probed)
    plain = [one for one in probed if one.part.source == LETTERS]
    found = {}
    for source, one in chosen.items():
        last = [x for x in probed if x.part.source == source and x.part.layer is not None][-1]
        twin = chosen.get(f"{source} {RANDOM}")
        others = [x for x in (last, twin, best(plain)) if x is not None and x is not one]
        found[source] = {
            "layer": one.part.layer,
            "above": {
                other.part.title: {
                    name: gain.to_dict()
                    for name, gain in gains(one.validation, other.validation, n, seed).items()
                }
                for other in others
            },
        }
    return found
