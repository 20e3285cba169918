"""The layout of enzyme reaction classes in CDConv's package (Fan et al. 2023)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from tokenize import TokenError
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from zoo.data.layouts import LAYOUTS
from zoo.data.layouts.react import LISTS, ReactLists
from zoo.data.reading.textfiles import read_lines
from zoo.data.samples import DroppedSample
from zoo.errors import DataError, StructureError
from zoo.proteins.files.entry import LARGEST
from zoo.proteins.files.fasta import parse_fasta
from zoo.proteins.protein import Atoms, Chain, ChainReport, Protein
from zoo.system.reading import plain_file

CLASSES = 384
CARBON = 6


@LAYOUTS.register("react/cdconv")
class CDConvReact(ReactLists):
    """CDConv's package: sequences as FASTA, CA coordinates as .npy, so no torsions."""

    needs = (
        "func/chain_functions.txt, func/chain_{training,validation,testing}.fasta and "
        "func/coordinates/{training,validation,testing}/<name>.npy"
    )
    source = "https://github.com/hehefan/Continuous-Discrete-Convolution"
    fasta: ClassVar[str] = "chain_{}.fasta"

    @classmethod
    def detect(cls, root: Path) -> bool:
        """Return whether a folder is laid out like this."""
        return any((base / "chain_training.fasta").is_file() for base in (root / "func", root))

    @property
    def base(self) -> Path:
        """The folder that the lists are in."""
        return self.root / "func" if (self.root / "func").is_dir() else self.root

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """EC number of each class; empty if the package does not name them."""
        path = self.base / "unique_functions.txt"
        return tuple(line for line in read_lines(path) if line) if path.is_file() else ()

    @property
    def outputs(self) -> int:
        """How many classes there are."""
        return len(self.classes) or CLASSES  # the package comes without names of the classes

    @cached_property
    def sequences(self) -> dict[str, tuple[str, str]]:
        """Split and sequence of each chain."""
        found: dict[str, tuple[str, str]] = {}
        for part, word in LISTS.items():
            path = self.base / self.fasta.format(word)
            for name, sequence in _fasta(path):
                if name in found:
                    raise DataError(f"{path}: {name!r} is in {found[name][0]} already")
                found[name] = part, sequence
        return found

    @cached_property
    def splits(self) -> dict[str, str]:
        """Split of each chain."""
        return {name: part for name, (part, _) in self.sequences.items()}

    def protein(self, key: str) -> Protein:
        """Return the protein of a listed chain."""
        part, sequence = self.sequences[key]
        path = self._coordinates(key, part)
        try:
            pos = np.load(plain_file(path, whole=True), allow_pickle=False)
        except FileNotFoundError:
            raise DroppedSample(f"{key} has no file {path}") from None
        except (OSError, ValueError, EOFError, SyntaxError, MemoryError, TokenError) as error:
            raise DroppedSample(f"{path}: damaged .npy file ({error})") from None
        if not isinstance(pos, np.ndarray):
            raise DroppedSample(f"{path}: an archive, not one array")
        if pos.shape != (len(sequence), 3) or pos.dtype.kind not in "fiu":
            raise DroppedSample(f"{path}: {pos.dtype} {pos.shape} for {len(sequence)} residues")
        near = np.where(np.abs(pos) < LARGEST, pos, np.nan)
        return _ca_protein(key, sequence, near.astype(np.float32), str(path))

    def files(self) -> Iterator[Path]:
        """Yield the FASTA files, and the coordinate files of the listed chains."""
        yield from (self.base / self.fasta.format(word) for word in LISTS.values())
        paths = (self._coordinates(key, part) for key, part in self.splits.items())
        yield from (path for path in paths if path.is_file())

    def _coordinates(self, key: str, part: str) -> Path:
        return self.base / "coordinates" / LISTS[part] / f"{key}.npy"


def _fasta(path: Path) -> Iterator[tuple[str, str]]:
    text = "\n".join(read_lines(path)).encode("utf-8", "replace")
    for record in parse_fasta(text, path.name, str(path)):
        if isinstance(record, StructureError):
            raise DataError(f"{path}: {record}")
        yield record.name, record.chains[0].sequence


def _ca_protein(name: str, sequence: str, pos: NDArray[np.float32], source: str) -> Protein:
    coords = np.full((len(sequence), 4, 3), np.nan, np.float32)
    coords[:, 1] = pos
    there = np.flatnonzero(np.isfinite(pos).all(1))
    label = name.partition(".")[2] or "A"
    bfactor = np.full(len(sequence), np.nan, np.float32)
    numbers = tuple(str(place + 1) for place in range(len(sequence)))
    chain = Chain(label, label, sequence, coords, bfactor, numbers)
    breaks = max(int(chain.segments.max(initial=0)), 0)
    report = ChainReport(len(there), breaks=breaks, ca_only=True, sequence_source="fasta")
    atoms = Atoms(
        pos[there], np.full(len(there), CARBON, np.uint8), np.full(len(there), "CA"), there
    )
    return Protein(name, (dataclasses.replace(chain, report=report),), atoms, source=source)
