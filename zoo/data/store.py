"""The store of prepared samples on disk, which are mapped into memory one record at a time.

It is an LMDB database of safetensors records. An LMDB transaction is written completely or not at
all, so a run can be killed and continued; a safetensors record cannot run code when it is read. A
small index record beside each sample holds the facts that summaries need, so that they need not
read coordinates.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.data.reading.lmdb_walk import cut_short, damage
from zoo.data.samples import ChainMatch, Sample
from zoo.errors import DataError
from zoo.proteins.protein import Atoms, Chain, ChainReport, Ligand, Protein
from zoo.system.files import FULL
from zoo.system.reading import UnfitFileError, plain_file

FIRST_SIZE = 2**28
"""Initial size of the memory map in bytes.

It is small because some systems reserve all of it on disk, and doubles when it is full.
"""
FILE, DATABASES = "data.mdb", ("samples", "index")
Arrays = dict[str, NDArray[Any]]


def pack(sample: Sample) -> bytes:
    """Return a sample as one safetensors record."""
    from safetensors.numpy import save

    protein = sample.protein
    arrays: Arrays = {f"target:{name}": np.asarray(x) for name, x in sample.targets.items()}
    arrays["coords"] = np.concatenate([chain.coords for chain in protein.chains])
    arrays["bfactor"] = np.concatenate([chain.bfactor for chain in protein.chains])
    arrays |= _pack_atoms("atoms", [protein.atoms])
    arrays |= _pack_atoms("ligands", [ligand.atoms for ligand in protein.ligands])
    if protein.pocket is not None:
        arrays["pocket"] = protein.pocket.astype(np.uint8)
    facts = {
        "sample": {
            name: getattr(sample, name)
            for name in ("id", "split", "subset", "group", "weight", "censored")
        },
        "matches": [dataclasses.asdict(match) for match in sample.matches],
        "protein": {"name": protein.name, "source": protein.source, "notes": protein.notes}
        | ({"plddt": True} if protein.plddt else {}),
        "chains": [
            {
                "name": chain.name, "label": chain.label, "sequence": chain.sequence,
                "numbers": chain.numbers, "report": chain.report.to_dict(),
            } for chain in protein.chains
        ],
        "ligands": [
            {"name": x.name, "chain": x.chain, "number": x.number, "atoms": len(x.atoms)}
            for x in protein.ligands
        ],
    }  # fmt: skip
    contiguous = {name: np.ascontiguousarray(x) for name, x in arrays.items()}
    # np.ascontiguousarray turns a scalar into one axis, so the original shapes are kept.
    shapes = {name: list(np.shape(x)) for name, x in arrays.items() if name.startswith("target:")}
    return save(contiguous, {"facts": json.dumps(facts), "shapes": json.dumps(shapes)})


def unpack(record: bytes) -> Sample:
    """Return the sample in a record that `pack` made.

    Raises:
        DataError: If the record is damaged.
    """
    try:
        return _unpack(record)
    except Exception as error:  # damaged bytes can cause any error
        raise DataError(
            f"A record of prepared data is damaged ({type(error).__name__}: {error}). Delete the "
            "folder and prepare the data again."
        ) from error


def _unpack(record: bytes) -> Sample:
    from safetensors.numpy import load

    size = int.from_bytes(record[:8], "little")
    header = json.loads(record[8 : 8 + size])["__metadata__"]
    facts, shapes = json.loads(header["facts"]), json.loads(header["shapes"])
    arrays: Arrays = load(record)
    targets = {
        name.removeprefix("target:"): arrays[name].reshape(shape) for name, shape in shapes.items()
    }
    return Sample(
        **facts["sample"],
        protein=_unpack_protein(facts, arrays),
        targets=targets,
        matches=tuple(ChainMatch(**_tuples(match)) for match in facts["matches"]),
    )


def _pack_atoms(name: str, tables: list[Atoms]) -> Arrays:
    def join(field: str, empty: NDArray[Any]) -> NDArray[Any]:
        return np.concatenate([empty, *(getattr(table, field) for table in tables)])

    names = join("name", np.zeros(0, "<U4")).astype("S8")
    return {
        f"{name}.pos": join("pos", np.zeros((0, 3), np.float32)),
        f"{name}.element": join("element", np.zeros(0, np.uint8)),
        f"{name}.name": names.view(np.uint8).reshape(len(names), 8),
        f"{name}.residue": join("residue", np.zeros(0, np.int64)).astype(np.int32),
    }


def _unpack_atoms(name: str, arrays: Arrays) -> Atoms:
    names = np.ascontiguousarray(arrays[f"{name}.name"]).view("S8").reshape(-1)
    return Atoms(
        pos=arrays[f"{name}.pos"],
        element=arrays[f"{name}.element"],
        name=names.astype("<U8"),
        residue=arrays[f"{name}.residue"].astype(np.int64),
    )


def _unpack_protein(facts: dict[str, Any], arrays: Arrays) -> Protein:
    stops = np.cumsum([len(chain["sequence"]) for chain in facts["chains"]])[:-1]
    coords, bfactor = np.split(arrays["coords"], stops), np.split(arrays["bfactor"], stops)
    chains = tuple(
        Chain(
            name=chain["name"], label=chain["label"], sequence=chain["sequence"],
            coords=coords[i], bfactor=bfactor[i], numbers=tuple(chain["numbers"]),
            report=ChainReport(**_tuples(chain["report"])),
        ) for i, chain in enumerate(facts["chains"])
    )  # fmt: skip
    return Protein(
        name=facts["protein"]["name"],
        chains=chains,
        atoms=_unpack_atoms("atoms", arrays),
        ligands=_unpack_ligands(facts["ligands"], _unpack_atoms("ligands", arrays)),
        source=facts["protein"]["source"],
        notes=tuple(facts["protein"]["notes"]),
        plddt=facts["protein"].get("plddt", False),
        pocket=arrays["pocket"].astype(np.bool_) if "pocket" in arrays else None,
    )


def _unpack_ligands(facts: list[dict[str, Any]], atoms: Atoms) -> tuple[Ligand, ...]:
    ligands, start = [], 0
    for fact in facts:
        stop = start + fact["atoms"]
        own = Atoms(
            atoms.pos[start:stop], atoms.element[start:stop],
            atoms.name[start:stop], atoms.residue[start:stop],
        )  # fmt: skip
        ligands.append(Ligand(fact["name"], fact["chain"], fact["number"], own))
        start = stop
    return tuple(ligands)


def _tuples(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values with each list as a tuple again, which JSON cannot represent."""
    return {key: tuple(x) if isinstance(x, list) else x for key, x in values.items()}


def _raise_full(error: Exception, path: str) -> None:
    """Raise LMDB's error as one of the system, if the disk or the folder is the reason."""
    if (code := getattr(error, "code", None)) in FULL:
        raise OSError(code, os.strerror(code), path) from error


class Store:
    """A folder of samples by key, with an index record for each key, also of dropped samples.

    Args:
        folder: Folder of the database; it is made if `write` is set.
        write: Whether to open it for writing, which one process at a time may do.
        names: Names of targets to read, by the names that they get in the samples; None for all
            targets with their own names.
    """

    def __init__(
        self, folder: Path, *, write: bool = False, names: Mapping[str, str] | None = None
    ) -> None:
        import lmdb

        self._lmdb, self._names = lmdb, names
        path = self._path = folder / FILE
        if not write and not path.exists():
            raise DataError(f"{folder} holds no prepared data. `python -m zoo.prepare` makes it.")
        try:
            if path.exists():
                plain_file(path)
            self._env = lmdb.open(
                str(folder), map_size=FIRST_SIZE, max_dbs=2, readonly=not write, create=write,
                lock=write, readahead=False,
            )  # fmt: skip
            self._check_length(path)
            self._samples = self._env.open_db(DATABASES[0].encode(), create=write)
            self._index = self._env.open_db(DATABASES[1].encode(), create=write)
        except (lmdb.Error, UnfitFileError) as error:
            _raise_full(error, str(folder))
            raise DataError(
                f"{folder} is damaged: {error}. Delete it and prepare the data again."
            ) from error

    @property
    def stamp(self) -> tuple[str, int, int, tuple[tuple[str, str], ...] | None]:
        """The file, its time and size, and the names of targets: other data have another stamp."""
        stat = self._path.stat()
        names = None if self._names is None else tuple(sorted(self._names.items()))
        return str(self._path.resolve()), stat.st_mtime_ns, stat.st_size, names

    def _check_length(self, path: Path) -> None:
        """Refuse a file that was cut short, because reading past its end kills the process.

        LMDB may leave the last pages unwritten if nothing uses them, so a file that is shorter than
        its header says is first read by another process.
        """
        if (lacks := cut_short(path, self._env)) and damage(path.parent, DATABASES):
            self._env.close()
            raise DataError(
                f"{path} was cut short: {lacks}. Delete the folder {path.parents[1]} and prepare "
                "the data again, or copy it again."
            )

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self._env.close()

    def put(self, entries: dict[str, tuple[dict[str, Any], bytes | None]]) -> None:
        """Write {key: (index record, sample record or None)}, either all entries or none."""
        while True:
            try:
                with self._env.begin(write=True) as txn:
                    for key, (fact, record) in entries.items():
                        txn.put(key.encode(), json.dumps(fact).encode(), db=self._index)
                        if record is not None:
                            txn.put(key.encode(), record, db=self._samples)
                return
            except self._lmdb.MapFullError:
                self._env.set_mapsize(2 * self._env.info()["map_size"])
            except self._lmdb.Error as error:
                _raise_full(error, self._env.path())
                raise

    def index(self) -> dict[str, dict[str, Any]]:
        """Return the index record of every key, dropped samples included, sorted by key."""
        with self._env.begin(db=self._index) as txn:
            return {key.decode(): json.loads(value) for key, value in txn.cursor()}

    def done(self) -> set[str]:
        """Return the keys that are in the index."""
        with self._env.begin(db=self._index) as txn:
            return {key.decode() for key in txn.cursor().iternext(values=False)}

    def keys(self) -> list[str]:
        """Return the keys of the samples, sorted."""
        with self._env.begin(db=self._samples) as txn:
            return [key.decode() for key in txn.cursor().iternext(values=False)]

    def __len__(self) -> int:
        with self._env.begin(db=self._samples) as txn:
            count: int = txn.stat(self._samples)["entries"]
            return count

    def __getitem__(self, key: str) -> Sample:
        with self._env.begin(db=self._samples) as txn:
            record = txn.get(key.encode())
        if record is None:
            raise KeyError(key)
        sample = unpack(record)
        if self._names is None:
            return sample
        targets = {name: sample.targets[own] for name, own in self._names.items()}
        return dataclasses.replace(sample, targets=targets)

    def __iter__(self) -> Iterator[Sample]:
        return (self[key] for key in self.keys())
