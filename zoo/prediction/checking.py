"""Check, before anything that takes seconds is imported, that a run can be scored on some data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from zoo.data.preparing import read_manifest
from zoo.errors import DataError
from zoo.models.runs import Run
from zoo.tasks import Target


def check_data(run: Run, data: Path, *, new: bool = False) -> Mapping[str, str] | None:
    """Check that a prepared folder is complete and holds data that the run can be scored on.

    Args:
        run: Run to score.
        data: Folder of prepared data.
        new: Whether the data may be others than those of the training.

    Returns:
        None for the data that the run was trained on. For others, which target of the data is
        which of the run: the name in the data by the run's own name.

    Raises:
        DataError: If they do not fit; names the folder and the data of the run.
    """
    manifest = read_manifest(data)
    if not manifest.get("complete"):
        raise DataError(
            f"{data} holds no prepared data, or only a part. `python -m zoo.prepare` makes them; "
            "--data DIR names the folder if the data of the run have moved."
        )
    if manifest["inputs"] == run.facts["inputs"]:
        return None
    if not new:
        raise DataError(
            f"{data} was prepared from other files (inputs {manifest['inputs']}) than those that "
            f"{run.folder} was trained on (inputs {run.facts['inputs']}, in {run.data}). Name the "
            "same data with --data DIR, or train again."
        )
    theirs = tuple(map(Target.from_dict, manifest["targets"]))
    return {target.name: _same(target, theirs, data) for target in run.targets}


def _same(target: Target, theirs: tuple[Target, ...], data: Path) -> str:
    """Return the name of the data's target that a target of the run can be scored on.

    It is the one of the same name, or the only one of the same kind.
    """
    fitting = [one for one in theirs if _kind(one) == _kind(target)]
    named = [one for one in fitting if one.name == target.name]
    if len(named or fitting) == 1:
        return (named or fitting)[0].name
    have = ", ".join(f"{one.name} ({one.kind}, one per {one.level})" for one in theirs)
    raise DataError(
        f"{data} has no target that {target.name!r} of the run ({target.kind}, one per "
        f"{target.level}) can be scored on; it has {have}. Prepare it with a column of that kind "
        f"named {target.name!r}; `--target NAME` of zoo.prepare chooses the columns."
    )


def _kind(target: Target) -> tuple[object, ...]:
    classes = target.classes if target.kind in ("multiclass", "multilabel") else ()
    return target.kind, target.level, target.outputs, classes
