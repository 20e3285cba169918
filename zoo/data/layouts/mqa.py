"""Layouts of model quality: how near a model of a protein is to its native structure (GDT-TS)."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.data.layouts import LAYOUTS
from zoo.data.layouts.base import Layout
from zoo.data.reading import quality
from zoo.data.reading.atom3d_layout import Atom3DLayout
from zoo.data.reading.atom3d_tables import frame
from zoo.data.reading.frames import to_protein
from zoo.data.reading.structures import read, read_again
from zoo.data.reading.textfiles import (
    optional_split_lists,
    read_split_lists,
    read_table,
    split_of,
    unique,
)
from zoo.data.samples import DroppedSample, Sample
from zoo.errors import DataError, StructureError
from zoo.proteins.files.formats import stem
from zoo.proteins.protein import Protein
from zoo.proteins.structure import STRUCTURE_SUFFIXES
from zoo.tasks import Target

GDT_TS = Target("gdt_ts", "regression", "protein")
NATIVE = "native"
SCORES = {"gdt_ts": quality.gdt_ts, "lddt": quality.lddt, "tm": quality.tm_score}


@LAYOUTS.register("mqa/atom3d")
class Atom3DQuality(Atom3DLayout):
    """ATOM3D's PSR: models of CASP, split by year; the CASP target is the group."""

    task = "mqa"
    needs = "split-by-year/data/{train,val,test}/data.mdb, or the folder of train/, val/ and test/"
    source = "https://doi.org/10.5281/zenodo.4915648 (PSR-split-by-year.tar.gz)"

    @property
    def targets(self) -> tuple[Target, ...]:
        """What is to be predicted."""
        return (GDT_TS,)

    def sample(self, item: dict[str, Any], name: str, suffix: str, split: str) -> Sample:
        """Return the sample of an item."""
        target, decoy = parse_psr_id(name)
        scores = item.get("scores")
        score = scores.get("gdt_ts") if isinstance(scores, dict) else None
        if not isinstance(score, float | int) or not np.isfinite(score):
            raise DroppedSample(f"{name}: gdt_ts is {score!r}")
        key = f"{target}/{decoy}{suffix}"
        try:
            protein = to_protein(frame(item.get("atoms"), f"{name}: atoms"), key, name)
        except StructureError as error:
            raise DroppedSample(str(error)) from None
        return Sample(key, protein, {"gdt_ts": np.array(score, np.float32)}, split, group=target)


def parse_psr_id(text: str) -> tuple[str, str]:
    """Return target and decoy of an id such as "('T0515', 'server_1')", without running it as code.

    Raises:
        DroppedSample: If the id is not the text of a tuple of two texts.
    """
    try:
        target, decoy = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise DroppedSample(f"the id {text!r} is not the text of (target, decoy)") from None
    return str(target), str(decoy)


@LAYOUTS.register("mqa/folder")
class FolderQuality(Layout):
    """A folder for each target: its native structure and models of it; scores are computed.

    The targets are GDT-TS, lDDT and TM-score, each over the CA atoms and relative to the length of
    the native structure.
    """

    task = "mqa"
    needs = (
        "<target>/native.pdb (.cif, .gz) and any other structure files as its models, for each "
        "target; train.txt, val.txt and test.txt with names of targets, if there are splits"
    )
    source = "your own models; those of CASP are at https://predictioncenter.org"

    @classmethod
    def detect(cls, root: Path) -> bool:
        """Return whether a folder is laid out like this."""
        return any(stem(path) == NATIVE and _is_structure(path) for path in root.glob("*/native.*"))

    @property
    def targets(self) -> tuple[Target, ...]:
        """What is to be predicted."""
        return tuple(Target(name, "regression", "protein") for name in SCORES)

    @cached_property
    def files(self) -> dict[str, Path]:
        """Structure files by their target and name, such as "T0001/model_1"."""
        folders = sorted(folder for folder in self.root.iterdir() if folder.is_dir())
        paths = (path for folder in folders for path in sorted(folder.iterdir()))
        return {f"{p.parent.name}/{stem(p)}": p for p in paths if _is_structure(p)}

    @cached_property
    def splits(self) -> dict[str, str]:
        """Split of each target that a list names."""
        return read_split_lists(optional_split_lists(self.root))

    def keys(self) -> list[str]:
        """Return the key of every sample that is listed."""
        models = [key for key in self.files if not key.endswith(f"/{NATIVE}")]
        if not models:
            raise DataError(f"{self.root} holds no models; it needs {self.needs}")
        return models

    def read(self, key: str) -> Sample:
        """Read one sample."""
        target = key.partition("/")[0]
        native = self.files.get(f"{target}/{NATIVE}")
        if native is None:
            raise DroppedSample(f"{target} has no native structure")
        protein = read(self.files[key])
        scores = _scores(key, protein, read_again(native))
        return Sample(key, protein, scores, self.splits.get(target, ""), group=target)

    def inputs(self) -> Iterable[Path]:
        """Return every file that is read."""
        yield from (path for _, path in optional_split_lists(self.root))
        yield from self.files.values()


def _scores(key: str, model: Protein, native: Protein) -> dict[str, NDArray[np.float32]]:
    pairs = quality.match(model, native)
    if pairs is None:
        raise DroppedSample(f"{key} is not a model of its target: the sequences do not fit")
    return {name: np.array(score(pairs), np.float32) for name, score in SCORES.items()}


def _is_structure(path: Path) -> bool:
    return path.name.lower().endswith(STRUCTURE_SUFFIXES)


@LAYOUTS.register("mqa/table")
class TableQuality(Layout):
    """A table of structures whose GDT-TS is known."""

    task = "mqa"
    needs = "labels.csv with the columns id, target, structure, split, gdt_ts"
    source = "your own table"

    @classmethod
    def detect(cls, root: Path) -> bool:
        """Return whether a folder is laid out like this."""
        return (root / "labels.csv").is_file()

    @property
    def targets(self) -> tuple[Target, ...]:
        """What is to be predicted."""
        return (GDT_TS,)

    @cached_property
    def rows(self) -> dict[str, dict[str, str]]:
        """Rows by id."""
        path = self.root / "labels.csv"
        rows = read_table(path, ("id", "target", "structure", "split", "gdt_ts"))
        for row in rows:
            row["split"] = split_of(path, row["id"], row["split"])
        return dict(zip(unique(path, (row["id"] for row in rows)), rows, strict=True))

    def keys(self) -> list[str]:
        """Return the key of every sample that is listed."""
        return list(self.rows)

    def read(self, key: str) -> Sample:
        """Read one sample."""
        row = self.rows[key]
        try:
            score = np.array(float(row["gdt_ts"]), np.float32)
        except ValueError:
            raise DroppedSample(f"{key}: gdt_ts is {row['gdt_ts']!r}") from None
        protein = read(self.root / row["structure"])
        return Sample(key, protein, {"gdt_ts": score}, row["split"], group=row["target"])

    def inputs(self) -> Iterable[Path]:
        """Return every file that is read."""
        yield self.root / "labels.csv"
        paths = (self.root / row["structure"] for row in self.rows.values())
        yield from (path for path in dict.fromkeys(paths) if path.is_file())
