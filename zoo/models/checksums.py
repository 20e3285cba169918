"""Hashes of the files of a saved model, by which a damaged or edited one is found.

`checksums.json` lies beside the files. A model that an earlier version saved has none, and its
files are then checked by their content alone. The hashes find damage; they do not prove who wrote
a file, since whoever changes one can change its hash.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from zoo.errors import CheckpointError
from zoo.settings.checking import flat
from zoo.settings.config import FINGERPRINT, Config
from zoo.system.files import write_json
from zoo.system.reading import content, plain_file

CHECKSUMS = "checksums.json"
MAY_EDIT = ("train.", "seed", "sequence.name", "sequence.weights", "sequence.dtype")
"""Keys of a saved model's config.yaml that may be edited.

They do not change what the model computes, except for the rounding of another `sequence.dtype`:
a fingerprint shows whether the language model is still the same.
"""


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with plain_file(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def values_hash(values: Mapping[str, Any]) -> str:
    """Return the SHA-256 of plain values, as they are written in JSON."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def write_checksums(
    folder: Path, config: Config, fingerprint: str, files: Mapping[str, Path]
) -> None:
    """Write the hashes of a model's files, and the keys of its config that must stay.

    Args:
        folder: Folder of the saved model.
        config: Config of the model.
        fingerprint: Hash of the weights of its language model.
        files: Path of each file by the name that it will have in the folder.
    """
    hashes = {name: file_hash(path) for name, path in files.items()}
    write_json(folder / CHECKSUMS, {"files": hashes, "config": _kept(config, fingerprint)})


def _kept(config: Config, fingerprint: str) -> dict[str, Any]:
    values = {**flat(config.to_dict()), FINGERPRINT: fingerprint}
    return {key: x for key, x in values.items() if not key.startswith(MAY_EDIT)}


def check_config(folder: Path, config: Config, fingerprint: str) -> None:
    """Compare a saved model's config with the one that was saved.

    Raises:
        CheckpointError: If a key that decides what the model computes has another value; names it.
    """
    found = _read(folder)
    if found is None:
        return
    before = found["config"]
    now = json.loads(json.dumps(_kept(config, fingerprint)))
    # A later version may have keys that the saved config lacks, but not arguments.
    keys = [key for key in now if key in before or ".args" in key]
    differ = [key for key in dict.fromkeys([*before, *keys]) if before.get(key) != now.get(key)]
    if differ:
        shown = "; ".join(f"{key} was {before.get(key)!r} and is {now.get(key)!r}"
                          for key in differ[:3])  # fmt: skip
        raise CheckpointError(
            f"{folder / 'config.yaml'} is not what was saved with the weights: {shown}. Of a saved "
            f"model's config only {_names()} may be edited. Put back what it was, or train a model "
            "from the new config."
        )


def _names() -> str:
    return ", ".join(f"{key}*" if key.endswith(".") else key for key in MAY_EDIT)


def check_file(path: Path) -> None:
    """Compare a file of a saved model with the hash that was saved; one without a hash is passed.

    Raises:
        CheckpointError: If the file is missing, or is not what was saved; names the fix.
    """
    found = _read(path.parent)
    expected = None if found is None else found["files"].get(path.name)
    if expected is None:
        return
    if not path.exists():
        raise CheckpointError(f"{path} is missing. Copy the model's folder again.")
    if file_hash(path) != expected:
        raise CheckpointError(
            f"{path} is not what was saved with the model: it is damaged or was edited. Copy the "
            f"model's folder again. If you changed it on purpose, delete {path.parent / CHECKSUMS}."
        )


def _read(folder: Path) -> dict[str, dict[str, Any]] | None:
    path = folder / CHECKSUMS
    if not path.exists():
        return None
    try:
        found = json.loads(content(path))
        if not _all_dicts(found[key] for key in ("files", "config")):
            raise TypeError("files and config must be tables")
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise CheckpointError(
            f"{path} is damaged ({error}). Copy the model's folder again, or delete the file: the "
            "other files are then not compared with what was saved."
        ) from None
    return dict(found)


def _all_dicts(values: Iterable[object]) -> bool:
    return all(isinstance(value, dict) for value in values)
