"""The score from which a residue or protein counts as positive, as validation chose it.

It is that of the whole run, for the mean of its models' probabilities, so it lies in the run's
folder and not in those of the members.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo.errors import CheckpointError
from zoo.models.runs import Member
from zoo.system.files import read_json, write_json

THRESHOLDS, METRICS = "thresholds.json", "metrics.json"


def write_thresholds(folder: Path, found: Mapping[str, Mapping[str, Any]]) -> None:
    """Write the threshold of each target, with how it was chosen; see `choose_thresholds`."""
    write_json(folder / THRESHOLDS, found)


def read_thresholds(folder: Path, members: Sequence[Member]) -> dict[str, float]:
    """Return the threshold of each binary target that has one.

    A run that an earlier version trained has no thresholds.json; the scores of `zoo evaluate` in
    its folder tell the threshold that was chosen on validation, if they are of these models.

    Args:
        folder: Folder of a run or of a saved model.
        members: Its models.

    Raises:
        CheckpointError: If the file is damaged, or a threshold is not from 0 to 1.
    """
    path = folder / THRESHOLDS
    if not path.exists():
        return _from_scores(read_json(folder / METRICS), members)
    try:
        return {name: _checked(one["threshold"]) for name, one in read_json(path).items()}
    except (AttributeError, KeyError, TypeError, ValueError):
        raise CheckpointError(
            f"{path} is damaged: it must tell a threshold from 0 to 1 for each target. Copy the "
            "model's folder anew, or delete the file to predict without yes and no."
        ) from None


def _checked(value: Any) -> float:
    found = float(value)
    if not 0 <= found <= 1:
        raise ValueError
    return found


def _from_scores(metrics: Any, members: Sequence[Member]) -> dict[str, float]:
    """Return the thresholds in the scores of these models with these temperatures on their data."""
    try:
        temperatures = {member.name: member.temperatures() for member in members}
        if metrics["temperatures"] != temperatures or metrics.get("new_data"):
            return {}
        found = {name: one.get("threshold") for name, one in metrics["targets"].items()}
        return {name: _checked(value) for name, value in found.items() if value is not None}
    except (AttributeError, KeyError, TypeError, ValueError):  # none, or of another version
        return {}
