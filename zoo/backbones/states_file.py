"""Hidden states that were computed elsewhere, read from a file: one array for each chain.

A chain is found by its sequence, never by its name or its place in the file. These files are read:

- what `zoo.embed` writes: each group has its rows' residues, and so its chains' sequences;
- HDF5 with a group for each chain, whose attribute `sequence` is its residues: `states_groups`;
- HDF5 of biotrainer: a data set for each chain, named by the hash of its sequence;
- Parquet with a line for each chain or for each residue: see `states_parquet`;
- HDF5 of bio_embeddings and others: a data set for each chain, whose name (or attribute
  `original_id`) is the id of a record in a FASTA file of the same name beside it;
- a folder with an .npy, .npz or .pt file for each chain, named by its id in `sequences.fasta`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.backbones.states_groups import has_groups, open_groups
from zoo.backbones.states_parquet import is_parquet, open_parquet, read_parquet
from zoo.backbones.states_places import (
    Found,
    Place,
    check_rows,
    key_of,
    no_layer,
    sequence_of,
    sequences_of,
    text_of,
)
from zoo.errors import ConfigError, DataError
from zoo.proteins.reading import Reads, paired
from zoo.settings.config import STATES
from zoo.system.reading import plain_file

LAYER = "::"
"""Parts a layer from the path before it."""
FASTA = "sequences.fasta"
SUFFIXES = (".npy", ".npz", ".pt")
CLOSE = 0.02
"""Largest difference of two arrays of one sequence, in units of the largest value."""
HASH = re.compile(r"[0-9a-f]{64}")
RESIDUES, DESCRIPTION, FUSED = "residues", "description", "fused"
"""Names that `zoo.embed` writes: the rows' residues, what computed them, fused features."""
LAYOUT = "layout"
"""What else it says of a file in another program's layout, which is then read as that program's."""
READS, STRUCTURE = "reads", "structure"
"""Those of a language model that reads structure: what it reads, and the rows' 3Di letters."""
Reader = Callable[[Path, Iterable[Place]], Iterator[NDArray[Any]]]
"""Yields the rows (residues, width) of some chains of a file. With a function that returns what is
`Found` in a file and a layer of it, this is all that a kind of file is."""


@dataclass(frozen=True)
class StatesFile:
    """A file of hidden states, opened.

    Attributes:
        path: HDF5 file or folder.
        places: Where the rows of each chain lie, by `key_of` its sequence.
        width: Columns of each array.
        provenance: What computed the states, as far as the file says.
        reads: What they depend on; with 3Di letters, a chain is found by both its letters.
        reader: Reads a file of its kind.
    """

    path: Path
    places: Mapping[str, Place]
    width: int
    provenance: Mapping[str, Any]
    reads: Reads
    reader: Reader

    @property
    def identity(self) -> str:
        """A hash that files of the same kind share: of their provenance and width."""
        facts = json.dumps({**self.provenance, "width": self.width}, sort_keys=True)
        return hashlib.sha256(facts.encode()).hexdigest()[:16]

    def read(self, places: Sequence[Place]) -> Iterator[NDArray[np.float32]]:
        """Yield the rows (residues, width) of some chains; the file is opened once.

        Raises:
            DataError: If they cannot be read any more, or a value is not finite.
        """
        for place, values in zip(places, self.reader(self.path, places), strict=True):
            rows = np.require(values, np.float32, "W")  # torch warns of what cannot be written
            if not np.isfinite(rows).all():
                raise DataError(f"{self.path}: {place.source} holds values that are not finite.")
            yield rows


def split_name(name: str) -> tuple[Path, str | None]:
    """Return the path and the layer that "states:FILE" or "states:FILE::LAYER" name.

    A path that is there is a path, whatever is in its name.

    Examples:
        >>> split_name("states:plm.h5::6")
        (PosixPath('plm.h5'), '6')
    """
    whole = name.removeprefix(STATES)
    path, found, layer = whole.rpartition(LAYER)
    if not found or Path(whole).expanduser().exists():
        return Path(whole).expanduser(), None
    return Path(path).expanduser(), layer or None


def open_states(name: str) -> StatesFile:
    """Return the file that "states:FILE" or "states:FILE::LAYER" names.

    Raises:
        ConfigError: If it is not there, or the layer is not one of it.
        DataError: If it is of none of the kinds above, or an array does not fit its chain.
    """
    path, layer = split_name(name)
    if path.is_dir():
        return _of_found(path, _open_folder(path, layer), _read_folder)
    if not path.is_file():
        raise ConfigError(
            f"The file of hidden states {str(path)!r} does not exist. `python -m zoo.embed "
            "PROTEINS --model NAME --layer raw --out FILE` writes one."
        )
    if is_parquet(path):
        return _of_found(path, open_parquet(path, layer), read_parquet)
    return _of_found(path, _open_hdf5(path, layer), _read_hdf5)


def _open_hdf5(path: Path, layer: str | None) -> Found:
    import h5py  # takes a fifth of a second, and most models read no such file

    try:
        with h5py.File(plain_file(path)) as file:
            about = _description(file)
            if about is not None:
                return _open_embedded(path, file, about, layer)
            if has_groups(file):
                return open_groups(path, file, layer)
            return _open_datasets(path, file, layer)
    except OSError as error:
        raise DataError(f"{path} cannot be read as an HDF5 file: {error}") from error


def _description(file: Any) -> dict[str, Any] | None:
    """Return what `zoo.embed` says of a file that it wrote; None for another program's file."""
    try:
        about = json.loads(file.attrs[DESCRIPTION])
        ours = about.keys() >= {"config", "plm_fingerprint", "layers", "pool"}
        return about if ours and LAYOUT not in about else None
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _open_embedded(path: Path, file: Any, about: dict[str, Any], layer: str | None) -> Found:
    layer = layer or (about["layers"][0] if len(about["layers"]) == 1 else None)
    if layer not in about["layers"]:
        named = ", ".join(f"{STATES}{path}{LAYER}{one}" for one in about["layers"])
        raise ConfigError(f"{path} has {len(about['layers'])} layers. Name one: {named}.")
    if about["pool"]:
        raise DataError(f"{path} holds one row a protein (--pool), not one a residue.")
    found, widths = [], set()
    for group in _groups(file):
        source = f"{group.name}/{layer}"
        widths.add(file[source].shape[1])
        structure = b"".join(group[STRUCTURE][()]).decode() if STRUCTURE in group else ""
        for sequence, start in _chains([text.decode() for text in group[RESIDUES][()]]):
            stop = start + len(sequence)
            (text,) = paired([sequence], [structure[start:stop]]) if structure else (sequence,)
            found.append((key_of(text), Place(source, start, stop)))
    config = about["config"]
    made_by = {"plm": config["sequence"]["name"], "fingerprint": about["plm_fingerprint"],
               "layer": layer}  # fmt: skip
    if layer == FUSED:
        made_by |= {key: config[key] for key in ("structure", "fusion")}
    return Found(found, widths, made_by, about.get(READS, "sequence"))


def _groups(file: Any) -> Iterator[Any]:
    """Yield the groups of proteins, which lie in others where a name has slashes."""
    for value in file.values():
        if hasattr(value, "keys"):
            if RESIDUES in value:
                yield value
            else:
                yield from _groups(value)


def _chains(names: list[str]) -> list[tuple[str, int]]:
    """Return the sequence and the first row of each chain, from rows "chain:number:letter"."""
    found: list[tuple[str, int]] = []
    before = None
    for row, name in enumerate(names):
        chain, _, rest = name.partition(":")
        if not rest:
            continue  # an atom of a ligand
        letter = rest.rpartition(":")[2]
        if chain != before:
            found.append((letter, row))
        else:
            found[-1] = (found[-1][0] + letter, found[-1][1])
        before = chain
    return found


def _open_datasets(path: Path, file: Any, layer: str | None) -> Found:
    """Open a file with a data set for each chain, as biotrainer and bio_embeddings write it."""
    no_layer(path, layer)
    sequences: Mapping[str, str] | None = None
    found, widths = [], set()
    for name, data in file.items():
        if getattr(data, "ndim", 0) != 2:
            raise DataError(
                f"{path}: {name!r} is no array (residues, columns). Write one row a residue."
            )
        if HASH.fullmatch(name):
            key = name
        else:
            if sequences is None:
                sequences = sequences_of(path.with_suffix(".fasta"))
            key = _key(path, text_of(data.attrs.get("original_id", name)), sequences, len(data))
        found.append((key, Place(name, 0, len(data))))
        widths.add(data.shape[1])
    attributes = {key: str(value) for key, value in sorted(file.attrs.items())}
    return Found(found, widths, attributes)


def _open_folder(path: Path, layer: str | None) -> Found:
    no_layer(path, layer)
    sequences = sequences_of(path / FASTA)
    found, widths = [], set()
    for file in sorted(path.iterdir()):
        if file.suffix in SUFFIXES:
            rows = _array(file)
            key = _key(path, file.stem, sequences, len(rows))
            found.append((key, Place(file.name, 0, len(rows))))
            widths.add(rows.shape[1])
    return Found(found, widths, {})


def _key(path: Path, name: str, sequences: Mapping[str, str], rows: int) -> str:
    sequence = sequence_of(path, name, sequences)
    check_rows(path, name, rows, sequence)
    return key_of(sequence)


def _of_found(path: Path, found: Found, reader: Reader) -> StatesFile:
    """Return the file; the first array of a sequence is taken, and others must agree with it.

    Raises:
        DataError: If two arrays of one sequence differ, as fused features of two structures do.
    """
    places: dict[str, Place] = {}
    for key, place in found.places:
        places.setdefault(key, place)
    width = _one_width(path, found.widths)
    file = StatesFile(path, places, width, found.provenance, found.reads, reader)
    twins = [(places[key], place) for key, place in found.places if place != places[key]]
    arrays = file.read([*chain.from_iterable(twins)])
    for (taken, place), first, other in zip(twins, arrays, arrays, strict=True):
        if not np.allclose(first, other, rtol=0.0, atol=CLOSE * float(np.abs(first).max())):
            raise DataError(
                f"{path}: {taken.source} and {place.source} are different arrays for one "
                "sequence, and states are matched by sequence. Keep one of them; features that "
                "depend on the structure cannot be given for two structures of one sequence."
            )
    return file


def _one_width(path: Path, widths: Set[int]) -> int:
    if len(widths) != 1:
        said = f"arrays of {', '.join(map(str, sorted(widths)))} columns" if widths else "no states"
        raise DataError(f"{path} holds {said}; all chains must have the same number of columns.")
    return next(iter(widths))


def _read_hdf5(path: Path, places: Iterable[Place]) -> Iterator[NDArray[Any]]:
    import h5py

    try:
        with h5py.File(plain_file(path)) as file:
            for place in places:
                data = file[place.source]
                parts = [data[part] for part in place.parts] if place.parts else [data]
                yield np.concatenate([part[place.start : place.stop] for part in parts], axis=1)
    except (OSError, KeyError) as error:
        raise DataError(f"{path} cannot be read any more: {error}") from error


def _read_folder(path: Path, places: Iterable[Place]) -> Iterator[NDArray[Any]]:
    for place in places:
        yield _array(path / place.source)[place.start : place.stop]


def _array(path: Path) -> NDArray[Any]:
    """Return the array (residues, columns) of one file."""
    try:
        found = _READERS[path.suffix](path)
    except Exception as error:  # numpy and torch raise OSError, ValueError, UnpicklingError, ...
        raise DataError(f"{path} cannot be read: {str(error).splitlines()[0]}") from error
    values = list(found.values()) if isinstance(found, Mapping) else [found]
    if len(values) != 1 or getattr(values[0], "ndim", 0) != 2:
        raise DataError(f"{path} must hold one array (residues, columns), and nothing else.")
    return np.asarray(values[0])


def _npz(path: Path) -> Any:
    with np.load(plain_file(path, whole=True), allow_pickle=False) as file:
        return dict(file)


def _pt(path: Path) -> Any:
    import torch

    found = torch.load(plain_file(path, whole=True), map_location="cpu", weights_only=True)
    parts = found.items() if isinstance(found, dict) else [("", found)]
    return {name: tensor.float().numpy() for name, tensor in parts}


_READERS: Mapping[str, Callable[[Path], Any]] = {
    ".npy": lambda path: np.load(plain_file(path, whole=True), allow_pickle=False),
    ".npz": _npz,
    ".pt": _pt,
}
