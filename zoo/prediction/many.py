"""A trained model over many proteins: batch by batch, resumable, failures noted."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from zoo.checkpoint import CONFIG, WEIGHTS
from zoo.errors import ConfigError, StructureError, ZooError
from zoo.inputs import Outcome, read_all, stamp
from zoo.paths import Input
from zoo.prediction.ensemble import Ensemble, Estimate
from zoo.prediction.headroom import ADVICE, Headroom, out_of_memory
from zoo.prediction.journal import Journal
from zoo.prediction.table import as_plain, write_table
from zoo.proteins.files.scores import scored_suffix, write_scored
from zoo.proteins.protein import Protein
from zoo.runs import CALIBRATION
from zoo.tasks.samples import Target

JOURNAL, FAILED, STRUCTURES = "unfinished.jsonl", "failed.csv", "structures"
SUFFIXES = (".pdb", ".cif")
Estimates = Mapping[str, Estimate]


@dataclass
class Prediction:
    """One call of `zoo predict`.

    Attributes:
        ensemble: predicts.
        journal: of what is done.
        structures: folder for structures with scores; None for none.
        outcome: what became of the inputs.
        done: whether each protein is, by name in the order of the inputs.
    """

    ensemble: Ensemble
    journal: Journal
    structures: Path | None = None
    outcome: Outcome = field(default_factory=Outcome)
    done: dict[str, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._headroom = Headroom(self.ensemble.models[0], self.ensemble.device)

    def pending(self, files: Iterable[Input]) -> Iterator[Protein]:
        """Yield the proteins that are not done yet."""
        for protein in read_all(files, self.outcome, self._has_file):
            kept = self.journal.has(protein) and self._has_structure(protein.name, protein)
            self.done[protein.name] = kept
            if kept:
                self.outcome.kept += 1
            else:
                yield protein

    def _has_file(self, file: Input) -> bool:
        kept = self.journal.has_file(file) and self._has_structure(file.name)
        if kept:
            self.done.setdefault(file.name, True)
        return kept

    def _has_structure(self, name: str, protein: Protein | None = None) -> bool:
        """Return whether the structure is written, or there is none to write."""
        if self.structures is None or (protein is not None and not protein.has_structure):
            return True
        return any((self.structures / (name + suffix)).is_file() for suffix in SUFFIXES)

    def predict_or_note(self, proteins: Sequence[Protein]) -> None:
        """Predict a batch; a protein that cannot be predicted is noted, the others are done."""
        try:
            self._headroom.check(proteins)
            found = self.ensemble.predict(proteins)
        except ZooError as error:
            reason = str(error)
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
            reason = (
                f"{proteins[0].name}: memory ran out over {len(proteins[0]):,} residues. {ADVICE}"
            )
        else:
            self._keep(proteins, found)
            return
        if len(proteins) == 1:  # not in the handlers: they hold on to the memory of what failed
            self.outcome.failed[_source(proteins[0])] = reason
            return
        for protein in proteins:
            self.predict_or_note([protein])

    def _keep(self, proteins: Sequence[Protein], found: Sequence[Estimates]) -> None:
        for protein, estimates in zip(proteins, found, strict=True):
            if self.structures is not None and protein.has_structure:
                self._write_structure(protein, estimates)
            self.journal.add(protein, as_plain(protein, estimates))
            self.done[protein.name] = True
        self.journal.flush()
        self.outcome.written += len(proteins)

    def _write_structure(self, protein: Protein, estimates: Estimates) -> None:
        assert self.structures is not None
        target = scored_target(self.ensemble.targets)
        scores = np.asarray(estimates[target.name].mean)
        scale = 1.0 if target.kind == "regression" else 100.0
        suffix = scored_suffix(protein, scores, scale)
        path = self.structures / f"{protein.name}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            write_scored(path, protein, scores, scale)
        except StructureError as error:
            self.outcome.failed[f"{_source(protein)} (structure)"] = str(error)

    def finish(self, path: Path) -> None:
        """Write the rows of all that is done, in the order of the inputs."""
        results = ((name, self.journal[name]) for name, done in self.done.items() if done)
        several = len(self.ensemble.models) > 1
        write_table(path, results, self.ensemble.targets, several=several)


def describe(ensemble: Ensemble) -> dict[str, Any]:
    """Return what tells this model from another, in plain values."""
    files = (CONFIG, WEIGHTS, CALIBRATION)
    return {
        "members": [
            {"name": member.name, "files": [stamp(member.folder / name) for name in files]}
            for member in ensemble.members
        ],
        "targets": [[t.name, t.kind, t.level, t.outputs] for t in ensemble.targets],
    }


def scored_target(targets: Sequence[Target]) -> Target:
    """Return the one target that can be written into a structure.

    Raises:
        ConfigError: if there is not exactly one number a residue.
    """
    if len(targets) == 1 and targets[0].level == "residue" and targets[0].outputs == 1:
        return targets[0]
    have = ", ".join(f"{t.name} ({t.outputs} a {t.level})" for t in targets)
    raise ConfigError(
        f"--structures writes one score a residue, and this model predicts {have}. Leave it out."
    )


def write_failed(path: Path, failed: dict[str, str]) -> None:
    """Write every input that failed with the reason; no file if none did."""
    path.unlink(missing_ok=True)
    if failed:
        with open(path, "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("input", "reason"), *failed.items()])


def _source(protein: Protein) -> str:
    return f"{protein.source} {protein.name}"
