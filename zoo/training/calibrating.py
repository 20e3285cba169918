"""Calibrate probabilities by a temperature that is fitted to the validation data."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from zoo.models.outputs import activate, columns
from zoo.training.data import TrainingData
from zoo.training.module import Seen, TrainingModule


def calibrate(module: TrainingModule, data: TrainingData) -> dict[str, dict[str, float]]:
    """Return the temperature of each target, and its calibration error before and after.

    The errors are on the validation data that the temperature was fitted to; `zoo.evaluate`
    reports the errors on other data.
    """
    from zoo.metrics.calibration import calibration_error, fit_temperature

    seen = predicted(module, data)
    found = {}
    for target in module.targets:
        logits, truth = _stacked(seen, target.name)
        logits = logits[:, columns(module.targets)[target.name]]
        temperature = fit_temperature(target, logits, truth)
        before, after = (
            calibration_error(target, activate(target, logits, t), truth)
            for t in (1.0, temperature)
        )
        if target.kind != "regression":
            found[target.name] = {
                "temperature": temperature, "ece_before": before, "ece_after": after,
                "n": int((~np.isnan(truth)).sum()),
            }  # fmt: skip
    return found


@torch.inference_mode()
def predicted(module: TrainingModule, data: TrainingData) -> Seen:
    """Return the model's predictions for the validation data."""
    module.eval()
    seen, part, collate = Seen(), data.parts["validation"], data.collate("validation")
    for indices in data.sampler("validation"):
        batch = collate(part.__getitems__(indices)).to(module.device)
        module.keep(seen, batch, module.model(batch.batch, batch.hidden))
    return seen


def _stacked(seen: Seen, name: str) -> tuple[NDArray[Any], NDArray[Any]]:
    keys = sorted(seen.logits)
    logits = np.concatenate([seen.logits[key] for key in keys])
    return logits, np.concatenate([seen.targets[key][name] for key in keys])
