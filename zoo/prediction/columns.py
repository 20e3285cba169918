"""`zoo.Embedder` and `zoo.Predictor`: columns of proteins in, columns of numbers out.

They are what Ray's `map_batches`, Spark's `mapInPandas` and Dask's `map_partitions` call in each of
their workers: they can be pickled, and load the model when they are first called.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ConfigError, StructureError
from zoo.models.runs import Run
from zoo.prediction.embedding_file import Settings
from zoo.prediction.inputs import WINDOW, Outcome, batches, longest_first, parts_of
from zoo.prediction.parts.jobs import EmbeddingJob, Job, PredictionJob
from zoo.prediction.parts.work import Work
from zoo.proteins.files.tables import COLUMNS, ID, check_columns
from zoo.proteins.protein import Protein
from zoo.proteins.records import protein_of_row
from zoo.system.parquet_writer import Columns, Field

FAILED = "failed"
"""Column with the reason why there is nothing of a protein; None where there is."""
MODELS = 2
"""Number of models that a process keeps."""
_ONE = Lock()
"""Held by the thread that loads a model or computes: Dask calls from several at once."""


class _Callable:
    """A function of columns.

    Args:
        job: What to compute.
        tokens: Maximum number of tokens in a batch, padding included.
    """

    def __init__(self, job: Job, tokens: int) -> None:
        self._job, self._tokens = job, tokens

    def __call__(self, columns: Mapping[str, Sequence[Any]]) -> dict[str, NDArray[Any]]:
        """Return the columns of the proteins, in their order.

        A protein that cannot be read or computed has one row with its `id` and the reason in
        `failed`, and nothing in the other columns; the others are done.

        Args:
            columns: `id`, and `sequence` or `structure` (the path of a file, or the text of one);
                `chain` may name the chains of a structure, as "A,B". Lists, arrays or columns of a
                DataFrame, of one length.

        Raises:
            StructureError: If a column is missing.
            ZooError: If the model cannot be loaded.
        """
        check_columns([str(name) for name in columns])
        lists = {name: list(columns[name]) for name in COLUMNS if name in columns}
        rows = [
            {name: cells[at] for name, cells in lists.items() if _is_there(cells[at])}
            for at in range(len(lists[ID]))
        ]
        found: list[Columns] = []
        with _ONE:
            work = _opened(self._job)
            for start in range(0, len(rows), WINDOW):
                found += self._of_rows(work, rows[start : start + WINDOW])
        fields = (*work.columns, Field(FAILED, "string"))
        return {field.name: _column(field, [one[field.name] for one in found]) for field in fields}

    def _of_rows(self, work: Work, rows: Sequence[Mapping[str, Any]]) -> list[Columns]:
        """Return the columns of each protein of some rows."""
        given: list[list[Protein] | str] = [_read(work, row) for row in rows]
        proteins = [protein for one in given if not isinstance(one, str) for protein in one]
        found: dict[int, Columns] = {}
        for batch in batches(longest_first(proteins), self._tokens):
            outcome = Outcome()
            for protein, columns in work.compute(batch, outcome):
                count = len(columns[ID])
                found[id(protein)] = {**columns, FAILED: [None] * count}
            lacking = [protein for protein in batch if id(protein) not in found]
            for protein, reason in zip(lacking, outcome.failed.values(), strict=True):
                found[id(protein)] = _empty(work, protein.name, reason)
        made: list[Columns] = []
        for row, one in zip(rows, given, strict=True):
            if isinstance(one, str):
                made.append(_empty(work, str(row.get(ID, "")), one))
            else:
                made += [found[id(protein)] for protein in one]
        return made


class Embedder(_Callable):
    """Computes the features of proteins that come as columns, by a model in the calling process.

    It can be pickled, and so handed to the workers of Ray, Spark or Dask. The model is loaded at
    the first call in a process, and kept there.

    Examples:
        >>> embedder = Embedder("plm_mini", pool=True)
        >>> found = embedder({"id": ["a", "b"], "sequence": ["MKTAYIAK", "GGSG"]})
        >>> found["fused"].shape, list(found)
        ((2, 160), ['id', 'residues', 'fused', 'failed'])

    Args:
        model: Name of a shipped model, config or language model, folder of a run or saved model,
            or a YAML file of a config.
        layer: "fused", the number of a layer of the language model, or "raw", its last layer
            before the final norm.
        pool: Whether to return a row for each protein, the mean over its rows, with their number
            in `residues`; else there is a row for each residue, which `residue` names.
        half: Whether to return float16 instead of float32.
        scope: "chain" takes each chain of a complex alone, "complex" all together; None for what
            the model was trained on.
        min_plddt: pLDDT, 0 to 100, below which residues of predicted structures count as without
            coordinates; None for none.
        weights: For a config or language model: "pretrained" or "random" weights.
        states: File of hidden states, for a saved model that reads one.
        device: Device to run on; "auto" is the best one available.
        tokens: Maximum number of tokens in a batch, padding included.
    """

    def __init__(
        self, model: str | os.PathLike[str] | Run, *, layer: str | int = "fused",
        pool: bool = False, half: bool = False, scope: str | None = None,
        min_plddt: float | None = None, weights: str | None = None, states: str | None = None,
        device: str = "auto", tokens: int = 4096,
    ) -> None:  # fmt: skip
        settings = Settings((str(layer),), pool, half, min_plddt)
        super().__init__(
            EmbeddingJob(_name(model), settings, scope, weights, states, device), tokens
        )


class Predictor(_Callable):
    """Predicts for proteins that come as columns, by the models of a run in the calling process.

    It can be pickled, and so handed to the workers of Ray, Spark or Dask. The models are loaded at
    the first call in a process, and kept there.

    Examples:
        >>> predictor = Predictor("ppbs")
        >>> found = predictor({"id": ["1a8o"], "structure": ["zoo/examples/1a8o.cif.gz"]})
        >>> len(found["binding_site"])
        70

    Args:
        model: Name of a shipped model, or folder of a run or of a saved model.
        scope: "chain" takes each chain of a complex alone, "complex" all together; None for what
            the model was trained on.
        min_plddt: pLDDT, 0 to 100, below which residues of predicted structures count as without
            coordinates; None for none.
        states: File of hidden states, for a model that reads one.
        device: Device to run on; "auto" is the best one available.
        tokens: Maximum number of tokens in a batch, padding included.
    """

    def __init__(
        self, model: str | os.PathLike[str] | Run, *, scope: str | None = None,
        min_plddt: float | None = None, states: str | None = None, device: str = "auto",
        tokens: int = 4096,
    ) -> None:  # fmt: skip
        super().__init__(PredictionJob(_name(model), scope, min_plddt, states, device), tokens)


@lru_cache(MODELS)
def _opened(job: Job) -> Work:
    return job.begin()


def _name(model: object) -> str:
    found = model.folder if isinstance(model, Run) else model
    if not isinstance(found, str | os.PathLike):
        raise ConfigError(
            f"{model!r:.80} ({type(model).__name__}) is not the name or folder of a model; each "
            "process loads the model itself. Save a model with `zoo.save_model`, and give its "
            "folder."
        )
    return os.fspath(found)


def _is_there(cell: object) -> bool:
    return cell is not None and cell == cell  # NaN, as pandas has it, is nothing


def _read(work: Work, row: Mapping[str, Any]) -> list[Protein] | str:
    """Return the protein of a row, or its chains, or why there is none."""
    cells = {name: x if isinstance(x, bytes) else str(x) for name, x in row.items()}
    outcome = Outcome()
    try:
        protein = protein_of_row(str(cells.get(ID, "")), cells, Path("columns"))
    except (StructureError, ValueError) as error:
        return str(error)
    found = parts_of(protein, outcome, work.cuts, work.min_plddt)
    return found or next(iter(outcome.failed.values()))


def _empty(work: Work, name: str, reason: str) -> Columns:
    nothing = {
        field.name: np.full((1, field.width), np.nan) if field.width else [None]
        for field in work.columns
    }
    return {**nothing, ID: [name], FAILED: [reason]}


def _column(field: Field, pieces: Sequence[Any]) -> NDArray[Any]:
    """Return a column: of text as objects, of numbers with NaN (0 for whole ones) for none."""
    kind: Any = object if field.kind == "string" else field.kind
    if field.width:
        empty = np.empty((0, field.width))
        return np.concatenate([empty, *pieces]).astype(kind)
    cells = [cell for piece in pieces for cell in piece]
    if field.kind == "string":
        return np.array(cells, dtype=object)
    nothing = 0 if field.kind.startswith("int") else np.nan
    return np.array([nothing if cell is None else cell for cell in cells], dtype=kind)
