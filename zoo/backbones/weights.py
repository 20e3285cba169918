"""Finds a language model's weights within seconds: a folder, the hub's cache, the hub, or none."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from zoo.backbones.plm import NOW, PLM
from zoo.errors import WeightsError, unknown
from zoo.pretrained import language_models
from zoo.system.hub import check_hashes, first_line, hub_problem

Mode = Literal["auto", "pretrained", "random"]
MODES: tuple[Mode, ...] = ("auto", "pretrained", "random")
WEIGHT_FILES = (
    "model.safetensors", "model.safetensors.index.json",
    "pytorch_model.bin", "pytorch_model.bin.index.json",
)  # fmt: skip


@dataclass(frozen=True)
class Weights:
    """The answer: pretrained from a folder (local or in the hub's cache), or random."""

    kind: Literal["pretrained", "random"]
    folder: Path | None = None
    source: str = ""
    """For people and model cards."""


def locate(plm: PLM, mode: str) -> Weights:
    """Return where the weights are, downloading them where the hub can be reached.

    Raises:
        ConfigError: if the mode is unknown.
        WeightsError: if `pretrained` cannot be had; says what to run and where.
    """
    if mode not in MODES:
        raise unknown("weights mode", mode, MODES)
    if plm.states is not None:
        made_by = plm.states.provenance.get("plm", "unknown origin")
        return Weights("pretrained", None, f"states of {made_by}, from {plm.states.path}")
    if mode == "random":
        return Weights("random", plm.folder, "randomly initialised, as asked for")
    problem = _missing(plm)
    if problem is None:
        return _found(plm)
    if mode == "pretrained":
        raise WeightsError(problem)
    return Weights("random", plm.folder, "randomly initialised: no pretrained weights here")


def cached_folder(plm: PLM, *, exact: bool = False) -> Path | None:
    """Return the snapshot of a model in the hub's cache, None where its weights are absent.

    A known model's own commit comes first; one that other tools fetched does, unless `exact`.
    """
    from huggingface_hub.constants import HF_HUB_CACHE

    if plm.hub_id is None:
        return None
    if not (Path(HF_HUB_CACHE) / f"models--{plm.hub_id.replace('/', '--')}").is_dir():
        return None  # without the import below, which is slow
    from huggingface_hub import try_to_load_from_cache

    for revision in (plm.revision,) if exact else (plm.revision, NOW):
        for name in WEIGHT_FILES:
            path = try_to_load_from_cache(plm.hub_id, name, revision=revision)
            if isinstance(path, str):
                return Path(path).parent
    return None


def download(plm: PLM, out: Path | None = None, revision: str | None = None) -> Path:
    """Fetch config, tokenizer and one format of the weights; return their folder.

    Args:
        plm: a model of the hub.
        out: folder to write; the hub's cache if left out.
        revision: branch, tag or commit; if left out, the commit that a known name stands for, and
            of others what the hub has now.

    Raises:
        WeightsError: if the hub cannot be reached or has no such model, or a file is damaged.
    """
    if plm.hub_id is None:
        raise WeightsError(f"{plm.name} is a local folder; there is nothing to download.")
    if reason := hub_problem():
        raise WeightsError(
            f"Cannot download {plm.hub_id}: {reason}. Run this on a machine with internet, then "
            "copy the folder (--out DIR) or the hub cache (HF_HOME) to this one."
        )
    from huggingface_hub import HfApi, snapshot_download

    revision = revision or plm.revision
    try:
        info = HfApi().model_info(plm.hub_id, revision=revision, files_metadata=True)
        files = {file.rfilename: file.lfs for file in info.siblings or []}
        folder = Path(snapshot_download(
            plm.hub_id, revision=revision, allow_patterns=_wanted(list(files)), local_dir=out
        ))  # fmt: skip
    except Exception as error:  # hub errors are many: gated, absent, disk full, connection lost
        raise WeightsError(f"{plm.hub_id}: {type(error).__name__}: {first_line(error)}") from error
    check_hashes(folder, {name: lfs.sha256 for name, lfs in files.items() if lfs is not None})
    return folder


def _wanted(files: list[str]) -> list[str]:
    """Config and tokenizer, and safetensors where there are any, else PyTorch files."""
    tensors = [name for name in files if name.endswith(".safetensors")]
    tensors = tensors or [name for name in files if name.endswith(".bin")]
    return [*tensors, "*.json", "*.txt", "*.model"]


def _missing(plm: PLM) -> str | None:
    """Return the message for weights that are not here and cannot be fetched."""
    if plm.folder is not None:
        if any((plm.folder / name).is_file() for name in WEIGHT_FILES):
            return None
        return (
            f"{plm.folder} has a config.json but no weights ({', '.join(WEIGHT_FILES[:3:2])}). "
            "Add them, or build with --weights random."
        )
    assert plm.hub_id is not None
    if cached_folder(plm) or not (reason := hub_problem()):
        return None
    shipped = " or ".join(f"--seq {name}" for name in language_models())
    return (
        f"No pretrained weights for {plm.name} ({plm.hub_id}): they are not in this machine's hub "
        f"cache, and {reason}.\nOn a machine with internet run\n\n    python -m zoo.download "
        f"{shlex.quote(plm.name)} --out DIR\n\nand give the folder as --seq DIR here (zoo embed: "
        "--model DIR), or copy the hub cache, HF_HOME. To build with what is in the package: "
        f"{shipped}; without trained weights: --weights random."
    )


def _found(plm: PLM) -> Weights:
    if plm.name in language_models():
        return Weights("pretrained", plm.folder, "trained by this project, in the package")
    if plm.folder is not None:
        return Weights("pretrained", plm.folder, f"pretrained, folder {plm.folder}")
    assert plm.hub_id is not None
    folder = cached_folder(plm) or download(plm)
    return Weights("pretrained", folder, f"pretrained, {plm.hub_id} at {folder.name[:12]}")
