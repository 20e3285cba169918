"""Says which commit of a shared model is loaded, so that a run can be pinned to it."""

from __future__ import annotations

from pathlib import Path

from zoo.command.say import note
from zoo.pretrained import folder_of


def model_folder(name: str | Path) -> Path:
    """Return the folder that a name stands for; of a shared model, tell its commit.

    Raises:
        ConfigError: If the name begins with `hf:` and names no repository.
        WeightsError: If a shared model is not here and cannot be fetched.
        CheckpointError: If a shared model has files that are not to be loaded.
    """
    folder = folder_of(name)
    if str(name).startswith("hf:"):
        from zoo.pretrained.hub import pinned

        note(f"the model is {pinned(name)}; this name always loads the same one")
    return folder
