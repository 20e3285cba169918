"""Trained models that people share: `hf://user/name@commit`, fetched into the hub's cache.

Only files of known names come, none larger than `LIMITS` says, over https, and all of them plain
data: a repository with pickled files is refused, whoever owns it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePath, PurePosixPath
from typing import TYPE_CHECKING

import yaml

from zoo.errors import CheckpointError, ConfigError, WeightsError
from zoo.settings.safe_yaml import read_yaml
from zoo.system.hub import check_hashes, first_line, hub_problem
from zoo.system.reading import text

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoSibling

SCHEME, NOW = "hf://", "main"
PART = r"[A-Za-z0-9][\w.-]*"
REPOSITORY = re.compile(rf"{PART}/{PART}", re.ASCII)
# A path of pathlib has lost one of the two slashes.
REFERENCE = re.compile(rf"hf://?(?P<repo>{PART}/{PART})(?:@(?P<revision>[\w./-]+))?", re.ASCII)
LIMITS = {
    "model.safetensors": 2**33, "config.yaml": 2**20, "README.md": 2**22, "run.json": 2**25,
    "metrics.json": 2**25, "splits.json": 2**28, "checksums.json": 2**22,
    "calibration.json": 2**22, "ensemble_calibration.json": 2**22, "thresholds.json": 2**22,
}  # fmt: skip
"""The names of the files that are fetched, and the most bytes of each."""
MOST_FILES, MOST_BYTES = 2000, 2**35
PICKLED = (".bin", ".ckpt", ".dill", ".joblib", ".npy", ".npz", ".pickle", ".pkl", ".pt", ".pth")


@dataclass(frozen=True)
class Shared:
    """A model of the hub: its repository, and a branch, tag or commit of it."""

    repo: str
    revision: str = NOW

    def __str__(self) -> str:
        return f"{SCHEME}{self.repo}" + (f"@{self.revision}" if self.revision != NOW else "")


def shared(name: str | PurePath) -> Shared | None:
    """Return the model of the hub that a name means; None for any other name.

    Raises:
        ConfigError: If it begins with `hf:` and names no repository.
    """
    written = name.as_posix() if isinstance(name, PurePath) else name
    if not written.startswith("hf:"):
        return None
    found = REFERENCE.fullmatch(written)
    if found is None:
        raise ConfigError(
            f"{written!r} names no model of the hub. Write {SCHEME}USER/NAME, or "
            f"{SCHEME}USER/NAME@COMMIT for one that stays as it is."
        )
    return Shared(found["repo"], found["revision"] or NOW)


def pinned(name: str | PurePath) -> str | None:
    """Return the name with the commit that is loaded; None if it is of no model of the hub."""
    one = shared(name)
    return None if one is None else str(Shared(one.repo, fetch(one).name))


@cache
def fetch(one: Shared) -> Path:
    """Return the folder of a shared model in the hub's cache, whose name is the commit.

    A commit that is in the cache is not asked for again; what a branch is now is asked once in a
    process, and without a network it is what it was when it was last fetched.

    Raises:
        WeightsError: If it is not here and the hub cannot be reached, or has no such model.
        CheckpointError: If the repository has files that are not to be loaded.
    """
    folder = _cached(one) if re.fullmatch("[0-9a-f]{40}", one.revision) else None
    if folder is None:
        reason = hub_problem()
        folder = _cached(one) if reason else _download(one)
        if folder is None:
            raise WeightsError(_elsewhere(one, reason or ""))
    _check_folder(one, folder)
    return folder


def _elsewhere(one: Shared, reason: str) -> str:
    return (
        f"{one} is not in this machine's hub cache, and {reason}.\nOn a machine with internet run"
        f"\n\n    python -m zoo.download {one} --out DIR\n\nand give the folder DIR here in place "
        f"of {one} (or copy the hub cache, HF_HOME)."
    )


def _cached(one: Shared) -> Path | None:
    """Return the snapshot if the cache has all of its files."""
    from huggingface_hub.constants import HF_HUB_CACHE

    if not (Path(HF_HUB_CACHE) / f"models--{one.repo.replace('/', '--')}").is_dir():
        return None  # without the import below, which is slow
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(
            one.repo, revision=one.revision, allow_patterns=_patterns(), local_files_only=True
        ))  # fmt: skip
    except OSError:  # LocalEntryNotFoundError, and that of an incomplete snapshot
        return None


def _patterns() -> list[str]:
    return [f"{place}{name}" for name in LIMITS for place in ("", "*/")]


def _download(one: Shared) -> Path:
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    try:
        info = HfApi().model_info(one.repo, revision=one.revision, files_metadata=True)
        files = info.siblings or []
        check_listing(one, files)
        folder = Path(
            snapshot_download(one.repo, revision=one.revision, allow_patterns=_patterns())
        )
    except RevisionNotFoundError as error:
        raise WeightsError(
            f"The repository {one.repo} has no branch, tag or commit {one.revision!r}. Leave "
            f"@{one.revision} out to load what it has now."
        ) from error
    except RepositoryNotFoundError as error:
        raise WeightsError(
            f"The hub has no model {one.repo!r}, or it is private and you may not read it. Check "
            "the name; `hf auth login` logs in."
        ) from error
    except CheckpointError:
        raise
    except Exception as error:  # errors of the hub are many: disk full, connection lost
        raise WeightsError(f"{one}: {type(error).__name__}: {first_line(error)}") from error
    if folder.name != info.sha:
        raise WeightsError(f"{one} changed while it was fetched. Run the same command again.")
    check_hashes(folder, {file.rfilename: file.lfs.sha256 for file in files if file.lfs})
    return folder


def check_listing(one: Shared, files: Iterable[RepoSibling]) -> None:
    """Refuse a repository by the names and sizes of its files, before any of them is fetched.

    Raises:
        CheckpointError: If it has pickled files, is too large, or holds no model of ours.
    """
    files = list(files)
    if pickled := [file.rfilename for file in files if file.rfilename.endswith(PICKLED)]:
        raise CheckpointError(
            f"{one} is refused, because it has files that can run code when they are loaded: "
            f"{', '.join(sorted(pickled)[:3])}. A model of this library is safetensors, YAML and "
            "JSON alone; ask its owner to remove them."
        )
    wanted = {file.rfilename: file.size or 0 for file in files if _is_ours(file.rfilename)}
    _check_sizes(one, wanted)
    if not {"run.json", "config.yaml"} & wanted.keys():
        raise CheckpointError(
            f"{one} is no model of this library: its repository has neither run.json nor "
            "config.yaml. `python -m zoo.push` writes such a repository."
        )


def _is_ours(name: str) -> bool:
    return PurePosixPath(name).name in LIMITS


def _check_sizes(one: Shared, sizes: dict[str, int]) -> None:
    for name, size in sizes.items():
        if any(part.startswith(".") for part in PurePosixPath(name).parts):
            raise CheckpointError(f"{one} is refused, because of the name of its file {name!r}.")
        if size > (most := LIMITS[PurePosixPath(name).name]):
            raise CheckpointError(
                f"{one} is refused: its {name} has {size:,} bytes, and at most {most:,} are loaded."
            )
    if len(sizes) > MOST_FILES or sum(sizes.values()) > MOST_BYTES:
        raise CheckpointError(
            f"{one} is refused: it has {len(sizes):,} files of {sum(sizes.values()):,} bytes, and "
            f"at most {MOST_FILES:,} of {MOST_BYTES:,} are loaded."
        )


def _check_folder(one: Shared, folder: Path) -> None:
    """Hold what lies in the cache against the same limits, and look at what a config names."""
    found = [path for path in folder.rglob("*") if path.name in LIMITS]
    _check_sizes(one, {p.relative_to(folder).as_posix(): os.stat(p).st_size for p in found})
    for path in found:
        if path.name == "config.yaml":
            _check_language_model(one, path)


def _check_language_model(one: Shared, path: Path) -> None:
    """Refuse a config that would read from a folder of the machine that it is loaded on."""
    try:
        name = language_model(path)
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{one}: {path.name} is damaged: {error}") from error
    if is_place(name.removeprefix("states:")):
        raise CheckpointError(
            f"{one} is refused: its language model is {name!r}, a place on the machine that it "
            "was made on. Its owner can push it again with `python -m zoo.push --seq NAME`."
        )


def language_model(path: Path) -> str:
    """Return the name of the language model in a config.yaml."""
    return str(read_yaml(text(path))["sequence"]["name"])


def is_place(name: str) -> bool:
    """Return whether the name of a language model is a path, and no short name or hub id."""
    return name.startswith((".", "/", "~")) or name.count("/") > 1 or "\\" in name
