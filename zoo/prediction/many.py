"""Applies a trained model to many proteins; a protein that fails is listed, the others are done."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import ConfigError, StructureError
from zoo.models.checkpoint import CONFIG, WEIGHTS
from zoo.models.checksums import file_hash
from zoo.models.runs import CALIBRATION
from zoo.prediction.ensemble import Ensemble
from zoo.prediction.estimating import Estimates, Estimator
from zoo.prediction.inputs import Outcome, read_all
from zoo.prediction.journal import Journal
from zoo.prediction.listing import Input
from zoo.prediction.table import as_plain, write_table
from zoo.proteins.protein import Protein
from zoo.proteins.scored import BESIDE, write_structure
from zoo.settings.config import CHAIN
from zoo.system.reading import stamp
from zoo.tasks import Target

SUFFIXES = (".pdb", ".cif")


@dataclass
class Prediction:
    """One call of `zoo predict`.

    Attributes:
        ensemble: models that predict.
        journal: results of the proteins that are done.
        structures: folder for structures with scores; None to write no structures.
        bfactors: whether the scores replace the B-factors, rather than stand beside.
        min_plddt: pLDDT below which residues of predicted structures are left out; None for none.
        outcome: counts of the inputs, and the reasons of failures.
        done: whether each protein is done, by name in the order of the inputs.
    """

    ensemble: Ensemble
    journal: Journal
    structures: Path | None = None
    bfactors: bool = False
    min_plddt: float | None = None
    outcome: Outcome = field(default_factory=Outcome)
    done: dict[str, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._estimator = Estimator(self.ensemble, self.outcome)
        self._read: list[Path] = []
        self._waiting: dict[str, str] = {}

    def pending(self, files: Iterable[Input]) -> Iterator[Protein]:
        """Yield the proteins that are not done yet.

        A protein whose name is that of another one that is done is noted as failed.
        """
        proteins = read_all(
            self._noted(files),
            self.outcome,
            self._has_file,
            cut=self.ensemble.cuts,
            min_plddt=self.min_plddt,
        )
        for protein in proteins:
            if owner := self.journal.owner(protein):
                self.outcome.refuse(protein, self.journal.path.parent, owner)
                continue
            kept = self.journal.has(protein) and self._has_structure(protein.name, protein)
            self.done[protein.name] = kept
            if kept:
                self.outcome.kept += 1
            else:
                self._waiting[protein.name] = protein.source
                yield protein

    def _noted(self, files: Iterable[Input]) -> Iterator[Input]:
        for file in files:
            yield file
            self._read.append(file.path)

    def tried(self) -> list[Path]:
        """Return the files that were read to their end and of which no protein waits."""
        waiting = set(self._waiting.values())
        return [path for path in self._read if str(path) not in waiting]

    def _has_file(self, file: Input) -> bool:
        kept = self.journal.has_file(file) and self._has_structure(file.name)
        if kept:
            self.done.setdefault(file.name, True)
        return kept

    def _has_structure(self, name: str, protein: Protein | None = None) -> bool:
        """Return whether the structure is written already, or need not be written."""
        if self.structures is None or (protein is not None and not protein.has_structure):
            return True
        written = any((self.structures / (name + suffix)).is_file() for suffix in SUFFIXES)
        return written and (self.structures / (name + BESIDE)).is_file() != self.bfactors

    def predict_or_note(self, proteins: Sequence[Protein]) -> None:
        """Predict a batch; proteins that cannot be predicted are noted as failed."""
        for protein, estimates in self._estimator.estimate(proteins):
            self._keep(protein, estimates)
        self.journal.flush()
        for protein in proteins:
            self._waiting.pop(protein.name, None)

    def _keep(self, protein: Protein, estimates: Estimates) -> None:
        if self.structures is not None and protein.has_structure:
            self._write_structure(protein, estimates)
        self.journal.add(protein, as_plain(protein, estimates))
        self.done[protein.name] = True
        self.outcome.written += 1

    def _write_structure(self, protein: Protein, estimates: Estimates) -> None:
        assert self.structures is not None
        target = scored_target(self.ensemble.targets)
        scores = np.asarray(estimates[target.name].mean)
        scale = 1.0 if target.kind == "regression" else 100.0
        stem = self.structures / protein.name
        bfactor = scale * scores if self.bfactors else None
        try:
            write_structure(stem, protein, {target.name: scores}, bfactor)
        except StructureError as error:
            self.outcome.partial[f"{_source(protein)} (structure)"] = str(error)

    def finish(self, path: Path) -> None:
        """Write the rows of all proteins that are done.

        Those of earlier commands come first, then those of this one in the order of its inputs.
        """
        earlier = [name for name in self.journal.names() if name not in self.done]
        self.journal.keep([*earlier, *(name for name, done in self.done.items() if done)])
        results = ((name, self.journal[name]) for name in self.journal.names())
        several = len(self.ensemble.models) > 1
        write_table(
            path, results, self.ensemble.targets, several=several,
            thresholds=self.ensemble.thresholds,
        )  # fmt: skip


def describe(ensemble: Ensemble, min_plddt: float | None = None) -> dict[str, Any]:
    """Return what identifies the models, so that predictions of others are not mixed with these.

    Predictions without the residues below a pLDDT are others, too.
    """
    found = _description(ensemble, _hash)
    for described, member in zip(found["members"], ensemble.members, strict=True):
        described["temperatures"] = None if member.shared is None else dict(member.shared)
    if ensemble.scope == CHAIN:
        found["as"] = CHAIN
    return found | _threshold(min_plddt)


def describe_as_before(ensemble: Ensemble, min_plddt: float | None = None) -> dict[str, Any]:
    """Return what identified the models in earlier versions: sizes and times of their files.

    A model that was copied or installed again was another model by these. They say nothing of the
    temperatures that members share.
    """
    return _description(ensemble, stamp) | _threshold(min_plddt)


def _threshold(min_plddt: float | None) -> dict[str, Any]:
    return {} if min_plddt is None else {"min_plddt": min_plddt}


def _hash(path: Path) -> str:
    return file_hash(path) if path.exists() else ""


def _description(ensemble: Ensemble, identity: Callable[[Path], str]) -> dict[str, Any]:
    files = (CONFIG, WEIGHTS, CALIBRATION)
    return {
        "members": [
            {"name": member.name, "files": [identity(member.folder / name) for name in files]}
            for member in ensemble.members
        ],
        "targets": [[t.name, t.kind, t.level, t.outputs] for t in ensemble.targets],
    }


def has_scored(targets: Sequence[Target]) -> bool:
    """Return whether a model predicts exactly one number per residue, for `scored_target`."""
    return len(targets) == 1 and targets[0].level == "residue" and targets[0].outputs == 1


def scored_target(targets: Sequence[Target]) -> Target:
    """Return the one target that can be written into a structure.

    Raises:
        ConfigError: if the model does not predict exactly one number per residue.
    """
    if has_scored(targets):
        return targets[0]
    have = ", ".join(f"{t.name} ({t.outputs} per {t.level})" for t in targets)
    raise ConfigError(
        f"--structures writes one score per residue, but this model predicts {have}. Leave it out."
    )


def _source(protein: Protein) -> str:
    return f"{protein.source} {protein.name}"
