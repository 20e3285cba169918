"""Calibrate probabilities by a temperature that is fitted to the validation data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from zoo.models.outputs import activate, columns
from zoo.system.files import whole_file
from zoo.system.reading import plain_file
from zoo.tasks import Target
from zoo.training.data import TrainingData
from zoo.training.module import Seen, TrainingModule


def calibrate(targets: Sequence[Target], members: Sequence[Seen]) -> dict[str, dict[str, float]]:
    """Return the temperature of each target, and its calibration error before and after.

    The errors are on the validation data that the temperature was fitted to; `zoo.evaluate`
    reports the errors on other data.

    Args:
        targets: targets that are predicted.
        members: predictions of each model for the same validation data. Several models share a
            temperature, which is fitted to the mean of their predictions.
    """
    found = {}
    for target in targets:
        if target.kind != "regression":
            parts = [_stacked(seen, target.name) for seen in members]
            logits = [one[:, columns(targets)[target.name]] for one, _ in parts]
            found[target.name] = _calibrated(target, logits, parts[0][1])
    return found


def choose_thresholds(
    targets: Sequence[Target], rounds: Sequence[tuple[Sequence[Seen], Mapping[str, float]]]
) -> dict[str, dict[str, Any]]:
    """Return for each binary target the probability with the highest MCC on the validation data.

    Of targets without both classes there, and of other kinds, there is none.

    Args:
        targets: targets that are predicted.
        rounds: for each fold the predictions of its models for the same validation data, and the
            temperature that they share by target. Of all folds together one threshold is chosen.
    """
    from zoo.metrics.binary import best_threshold, mcc

    found = {}
    for target in targets:
        if target.kind != "binary":
            continue
        parts = [_mean(targets, target, *one) for one in rounds]
        said, truth = (np.concatenate(each) for each in zip(*parts, strict=True))
        threshold = best_threshold(truth, said)
        if not np.isnan(threshold):
            count = int((~np.isnan(truth)).sum())
            reached = mcc(truth, said, threshold)
            found[target.name] = {"threshold": threshold, "mcc": reached, "n": count}
    return found


def _mean(
    targets: Sequence[Target], target: Target, members: Sequence[Seen],
    temperatures: Mapping[str, float],
) -> tuple[NDArray[Any], NDArray[Any]]:  # fmt: skip
    """Return the members' mean probability (rows,) and the true values (rows,) of a target."""
    where, temperature = columns(targets)[target.name], temperatures.get(target.name, 1.0)
    parts = [_stacked(seen, target.name) for seen in members]
    values = [activate(target, logits[:, where], temperature) for logits, _ in parts]
    return np.mean(values, axis=0), parts[0][1]


def _calibrated(
    target: Target, logits: list[NDArray[Any]], truth: NDArray[Any]
) -> dict[str, float]:
    from zoo.metrics.calibration import (
        calibration_error,
        fit_shared_temperature,
        fit_temperature,
    )

    if len(logits) == 1:
        temperature = fit_temperature(target, logits[0], truth)
    else:
        temperature = fit_shared_temperature(target, logits, truth)
    before, after = (
        calibration_error(target, np.mean([activate(target, x, t) for x in logits], axis=0), truth)
        for t in (1.0, temperature)
    )
    count = int((~np.isnan(truth)).sum())
    return {"temperature": temperature, "ece_before": before, "ece_after": after, "n": count}


@torch.inference_mode()
def predicted(module: TrainingModule, data: TrainingData) -> Seen:
    """Return the model's predictions for the validation data."""
    module.eval()
    seen, part, collate = Seen(), data.parts["validation"], data.collate("validation")
    for indices in data.sampler("validation"):
        batch = collate(part.__getitems__(indices)).to(module.device)
        module.keep(seen, batch, module.model(batch.batch, batch.hidden))
    return seen


def save_seen(path: Path, seen: Seen) -> None:
    """Write the predictions and true values of a validation to an .npz file."""
    keys = sorted(seen.logits)
    arrays: dict[str, Any] = {
        "keys": np.array(keys),
        "rows": np.array([len(seen.logits[key]) for key in keys]),
    }
    arrays["logits"] = np.concatenate([seen.logits[key] for key in keys])
    for name in seen.targets[keys[0]]:
        arrays[f"target:{name}"] = np.concatenate([seen.targets[key][name] for key in keys])
    with whole_file(path, "wb") as file:
        np.savez_compressed(file, **arrays)


def load_seen(path: Path) -> Seen:
    """Return what `save_seen` wrote."""
    with np.load(plain_file(path), allow_pickle=False) as file:
        arrays = dict(file)
    stops = np.cumsum(arrays["rows"])[:-1]
    keys = arrays["keys"].tolist()
    seen = Seen(dict(zip(keys, np.split(arrays["logits"], stops), strict=True)))
    names = [name for name in arrays if name.startswith("target:")]
    parts = {name.removeprefix("target:"): np.split(arrays[name], stops) for name in names}
    seen.targets = {key: {n: x[at] for n, x in parts.items()} for at, key in enumerate(keys)}
    return seen


def _stacked(seen: Seen, name: str) -> tuple[NDArray[Any], NDArray[Any]]:
    keys = sorted(seen.logits)
    logits = np.concatenate([seen.logits[key] for key in keys])
    return logits, np.concatenate([seen.targets[key][name] for key in keys])
