"""An HDF5 file of the features of proteins, which never holds an incomplete protein."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import h5py
import numpy as np
from torch import Tensor

from zoo.backbones.states_file import READS
from zoo.errors import ConfigError, ZooError
from zoo.models.model import FusedModel
from zoo.prediction.embedding_layouts import LAYOUTS, described
from zoo.prediction.feature_check import CHECKSUM, OWN, check, checksum
from zoo.prediction.inputs import content_hash, sequence_hash
from zoo.prediction.listing import Input
from zoo.proteins.protein import Protein
from zoo.proteins.reading import Reads
from zoo.settings.config import Config
from zoo.settings.former import as_written
from zoo.system.files import settle, whole_file
from zoo.system.reading import plain_file, stamp
from zoo.system.transactions import TransactionFile

PARTIAL = "__partial__"
CONTENT = "content"
"""Attribute of a protein's group: the hash of its content, which earlier versions did not write."""
SIGNATURE, HEADER, EMPTY = b"\x89HDF\r\n\x1a\n", 96, 2048
"""Of an HDF5 file: its first bytes, the bytes of its header, and the size of one without groups."""


@dataclass(frozen=True)
class Settings:
    """What to compute. The file stores the settings, which all its proteins share.

    Attributes:
        layers: features to write: "fused", numbers of language model layers (the last one after
            its final norm), or "raw", the last one before it.
        pool: whether to write the mean over the residues instead of one row per residue.
        half: whether to store float16 instead of float32.
        min_plddt: pLDDT below which residues of predicted structures are left out; None for none.
        layout: how a protein lies in an HDF5 file, see `LAYOUTS`.
    """

    layers: tuple[str, ...]
    pool: bool
    half: bool
    min_plddt: float | None = None
    layout: str = "zoo"


class EmbeddingFile:
    """An HDF5 file with one group for each protein, which has the protein's name.

    A group has one dataset for each layer, (residues, width) or (width,), the names of its rows in
    `residues` (chain:number:letter), and the hash of the sequence as an attribute; where the
    language model reads structure, also the rows' 3Di letters in `structure`. In biotrainer's
    layout there is a data set in the group's place. Either is written
    under another name and renamed when complete, so that every group that has a protein's name is
    complete. A checksum shows damage: an existing file is read to its end first, by another process
    that damage may end, and proteins that are not what was written are left out.

    Args:
        path: HDF5 file, created if it does not exist.
        model: model that computes the features.
        settings: features to compute.
        warn: called with a line on proteins that are damaged.

    Raises:
        ConfigError: if the file cannot be read, or is of another model or settings.
        OSError: if it cannot be written.
    """

    def __init__(
        self, path: Path, model: FusedModel, settings: Settings,
        warn: Callable[[str], None] = lambda line: None,
    ) -> None:  # fmt: skip
        self.path, self.settings = path, settings
        self._layout = LAYOUTS[settings.layout]
        self.reads: Reads = model.seq.reads if model.seq is not None else "sequence"
        description = json.dumps(
            {
                "config": model.recipe.config.to_dict(),
                "plm_fingerprint": model.recipe.fingerprint,
                "layers": settings.layers, "pool": settings.pool, "half": settings.half,
            } | ({} if self.reads == "sequence" else {READS: self.reads})
            | ({} if settings.min_plddt is None else {"min_plddt": settings.min_plddt})
            | described(settings.layout),
            sort_keys=True,
        )  # fmt: skip
        if not path.exists() or _holds_nothing(path):
            _begin(path, description)
        else:
            _mend(path, warn)
        self._raw = TransactionFile(path)
        self.file = _opened(self._raw, path)
        before = self.file.attrs.get("description", description)
        if before != description and not _same(before, description):
            self.close()
            raise ConfigError(
                f"{path} was written by another model or with other settings. Choose another "
                "--out, or delete it to start again."
            )
        if PARTIAL in self.file:
            del self.file[PARTIAL]

    def __enter__(self) -> EmbeddingFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; what was written since the last flush is dropped."""
        self.file.close()  # its last writes stay in memory
        self._raw.close()

    def has(self, protein: Protein) -> bool:
        """Return whether this protein is done, with the same name, sequence and structure."""
        group = self._group(self._layout.name_of(protein))
        if group is None or group.attrs[OWN] != sequence_hash(protein):
            return False
        # One sequence can have several structures or none, so the structure must be the same too.
        if CONTENT in group.attrs:
            return bool(group.attrs[CONTENT] == content_hash(protein))
        return not protein.has_structure or bool(group.attrs["file_stamp"] == stamp(protein.source))

    def unfit(self, protein: Protein) -> str:
        """Return why a protein cannot lie in a file of this layout; "" if it can."""
        return self._layout.unfit(protein)

    def has_file(self, file: Input) -> bool:
        """Return whether an unchanged structure file was embedded before, without reading it."""
        group = self._group(file.name)
        if group is None or group.attrs["file_stamp"] != stamp(file.path):
            return False
        return CONTENT not in group.attrs or group.attrs["source"] == os.path.abspath(file.path)

    def owner(self, protein: Protein) -> str:
        """Return what another protein that has this protein's place is; "" if there is none.

        Another sequence or structure from another file is another protein; one from the same file
        is the same protein, whose file has changed. The names of structures are paths, so "t" and
        "t/native" cannot both be groups.
        """
        name = self._layout.name_of(protein)
        for parent in map(str, PurePosixPath(name).parents):
            if self._group(parent) is not None:
                return f"a protein whose name {parent!r} would be the folder of this one"
        group = self._group(name)
        if group is None:
            return f"the folder of proteins named {name}/..." if name in self.file else ""
        source = str(group.attrs["source"])
        if self.has(protein):
            return ""
        # A pipe has the path of the pipe before it, and is none the less another one.
        same = os.path.abspath(source) == os.path.abspath(protein.source)
        if same and os.path.isfile(protein.source):
            return ""
        if group.attrs[OWN] != sequence_hash(protein):
            return f"a protein of another sequence ({source})"
        return f"a protein with other coordinates ({source})"

    def _group(self, name: str) -> Any:
        """Return the group of a protein; None if there is none, or a folder of proteins."""
        group = self.file.get(name)
        return group if group is not None and OWN in group.attrs else None

    def write(
        self,
        protein: Protein,
        rows: dict[str, Tensor],
        nodes: Sequence[str],
        structure: Sequence[str] = (),
    ) -> None:
        """Add one protein's features; they replace those of a protein with the same name.

        Args:
            protein: The protein.
            rows: Features by layer.
            nodes: Name of each row.
            structure: 3Di letter of each row, where the language model reads them.
        """
        half = np.float16 if self.settings.half else np.float32
        values = {
            layer: tensor.float().cpu().numpy().astype(half) for layer, tensor in rows.items()
        }
        group = self._layout.make(self.file, PARTIAL, protein, values, nodes, structure)
        group.attrs[OWN] = sequence_hash(protein)
        group.attrs[CONTENT] = content_hash(protein)
        group.attrs["source"] = os.path.abspath(protein.source)
        group.attrs["file_stamp"] = stamp(protein.source)
        group.attrs[CHECKSUM] = checksum(group)
        name = self._layout.name_of(protein)
        if name in self.file:
            del self.file[name]
        self.file.move(PARTIAL, name)

    def flush(self) -> None:
        """Bring what was written since the last flush to the disk: all of it, or on error nothing.

        Raises:
            OSError: If the disk is full.
        """
        self.file.flush()
        self._raw.commit()


def _holds_nothing(path: Path) -> bool:
    """Return whether an earlier version was killed before it wrote more than the file's signature.

    Raises:
        ConfigError: If it is no plain file.
    """
    try:
        with plain_file(path).open("rb") as file:
            start = file.read(EMPTY + 1)
    except OSError as error:
        raise _unreadable(path, error.strerror) from None
    return len(start) <= EMPTY and start.startswith(SIGNATURE) and not any(start[HEADER:])


def _begin(path: Path, description: str) -> None:
    """Write a file without proteins, whole: HDF5 cannot read one that it had just begun."""
    data = io.BytesIO()
    with h5py.File(data, "w") as file:
        file.attrs["description"] = description
    with whole_file(path, "wb") as out:
        out.write(data.getvalue())


def _mend(path: Path, warn: Callable[[str], None]) -> None:
    """Read a file to its end; if proteins are damaged, replace it by one with the others."""
    TransactionFile(path).close()  # which carries out the changes of a killed process
    found = check(path)
    if found.problem:
        raise _unreadable(path, found.problem)
    if not found.damaged or found.damaged == [PARTIAL]:
        return
    part = path.with_name(f"{path.name}.part")
    copied = check(path, part)
    if copied.problem or copied.whole != found.whole:
        part.unlink(missing_ok=True)
        raise _unreadable(path, copied.problem or "it changed while it was read")
    settle(part, path)
    names = ", ".join(found.damaged[:3]) + (", ..." if len(found.damaged) > 3 else "")
    warn(f"{path}: {len(found.damaged)} of {found.whole + len(found.damaged)} proteins are damaged "
         f"and were taken out: {names}. Those among the inputs are embedded again.")  # fmt: skip


def _opened(raw: TransactionFile, path: Path) -> h5py.File:
    try:
        return h5py.File(raw, "r+")
    except OSError as error:
        raw.close()
        raise _unreadable(path, error) from None


def _unreadable(path: Path, cause: object) -> ConfigError:
    return ConfigError(
        f"{path} cannot be opened as an HDF5 file ({cause}). If it is damaged, or another kind of "
        "file, delete it or choose another --out."
    )


def _same(before: str, now: str) -> bool:
    """Return whether two descriptions are equal, the first of a version that had fewer keys."""
    try:
        facts = json.loads(before)
        facts["config"] = Config.from_dict(as_written(facts["config"])).to_dict()
    except (ZooError, ValueError, TypeError, KeyError):
        return False
    return bool(facts == json.loads(now))
