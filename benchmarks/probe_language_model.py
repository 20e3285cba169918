"""What a linear map reads off a language model's states, beside what it reads off letters.

    python benchmarks/probe_language_model.py prepared/ppbs prepared/bce --seq plm_mini

For residues: logistic regression on one-hot of the residue, of the 15 residues around it, and on
the last states. For proteins: on composition, and on mean states. Fitted on training samples (on
the other folds, where there are folds), scored on test ones, with paired bootstrap intervals over
proteins or groups. Beside each residue target stands secondary structure, read off the structures:
four residues in a row or more with a helix's torsions, three or more with a strand's.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import zoo
from zoo.data.kin import kin_of
from zoo.data.rounds import rounds
from zoo.data.samples import Sample
from zoo.data.store import Store
from zoo.metrics import binary, classification, regression
from zoo.metrics.bootstrap import Metric, interval, paired
from zoo.proteins.features import torsions
from zoo.tasks import Target

Array = NDArray[np.float64]
LETTERS = np.array(list("ACDEFGHIKLMNPQRSTVWY"))
AROUND = 7
METRICS: dict[str, Metric] = {
    "binary": binary.AVERAGE_PRECISION, "multiclass": classification.ACCURACY,
    "regression": regression.RMSE,
}  # fmt: skip
SECONDARY = Target("secondary_structure", "multiclass", "residue", 3, ("helix", "strand", "coil"))
HELIX, STRAND, COIL = range(3)


@dataclass(frozen=True)
class Probed:
    """One sample: features by name, each (residues, columns), and known values by target."""

    group: str
    features: dict[str, Array]
    known: dict[str, Array]


def probed(sample: Sample, seq: Any) -> Probed:
    """Return a sample's features; residues without a label, or coordinates, are NaN."""
    protein = sample.protein
    one = (np.array(list("".join(c.sequence for c in protein.chains)))[:, None] == LETTERS) * 1.0
    padded = np.pad(one, ((AROUND, AROUND), (0, 0)))
    around = np.hstack([padded[i : i + len(one)] for i in range(2 * AROUND + 1)])
    known = {name: np.asarray(values, float) for name, values in sample.targets.items()}
    known[SECONDARY.name] = np.concatenate([secondary(c.coords) for c in protein.chains])
    states = np.concatenate([_states(seq, c.sequence) for c in protein.chains])
    features = {"one-hot": one, "window": around, "states": states}
    return Probed(sample.group, features, known)


def _states(seq: Any, sequence: str) -> Array:
    tokens = seq.tokenize([sequence])
    with torch.no_grad():
        hidden = seq(tokens.ids, tokens.attend)[0]
    return hidden[tokens.start : tokens.start + len(sequence)].double().numpy()


def secondary(coords: NDArray[np.float32]) -> Array:
    """Return (residues,) classes from N CA C O (residues, 4, 3); NaN where torsions are unknown."""
    backbone = torch.from_numpy(coords)
    bonded = (backbone[1:, 0] - backbone[:-1, 2]).norm(dim=-1) < 2.0
    angles = torsions(backbone, bonded)  # cosines of phi psi omega, then sines
    phi, psi = (torch.atan2(angles[:, 3 + i], angles[:, i]).rad2deg().numpy() for i in (0, 1))
    helix = (phi > -120) & (phi < -30) & (psi > -80) & (psi < 0)
    strand = (phi > -180) & (phi < -60) & ((psi > 80) | (psi < -160))
    found = np.full(len(coords), float(COIL))
    for kind, least, like in ((STRAND, 3, strand), (HELIX, 4, helix)):
        for start, stop in _runs(like):
            if stop - start >= least:
                found[start:stop] = kind
    unknown = np.isnan(coords[:, :3]).any(axis=(1, 2))
    return np.where(unknown, np.nan, found)


def _runs(like: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], like.astype(int), [0]])))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


def probe(folder: Path, seq: Any, resamples: int) -> list[dict[str, Any]]:
    """Return the scores of each target of a prepared folder."""
    with Store(folder / "store") as store:
        index, samples = store.index(), {key: store[key] for key in store.keys()}
    kin = kin_of(index, samples)
    samples = {
        key: dataclasses.replace(sample, group=sample.group or kin[sample.id])
        for key, sample in samples.items()
    }
    manifest = json.loads((folder / "manifest.json").read_text())
    targets = [Target.from_dict(target) for target in manifest["targets"]]
    data = {key: probed(sample, seq) for key, sample in samples.items()}
    plan = rounds(index)
    kinds = [t for t in targets if t.kind in METRICS]
    if any(t.level == "residue" for t in targets):
        kinds.append(SECONDARY)
    return [_target(folder.name, t, data, plan, resamples) for t in kinds]


def _target(
    name: str, target: Target, data: dict[str, Probed], plan: Any, n: int
) -> dict[str, Any]:
    metric = METRICS[target.kind]
    scores: dict[str, Any] = {}
    rows: dict[str, dict[str, Array]] = {}
    for feature in ("one-hot", "window", "states"):
        if target.level == "protein" and feature == "window":
            continue
        parts = [_fitted(target, feature, data, fold.train, fold.test) for fold in plan]
        truth, guess, groups = (np.concatenate(column) for column in zip(*parts, strict=True))
        rows[feature] = {"y_true": truth, "y_pred": guess}
        scores[feature] = interval(metric, rows[feature], groups, n).to_dict()
        if feature == "states":
            for other in list(rows)[:-1]:
                gain = paired(metric, rows[other], rows[feature], groups, n)
                scores[f"states - {other}"] = gain.to_dict()
    return {"data": name, "target": target.name, "metric": metric.name, "better": metric.better,
            "rows": len(truth), "groups": len(np.unique(groups)), "scores": scores}  # fmt: skip


def _fitted(
    target: Target, feature: str, data: dict[str, Probed], train: list[str], test: list[str]
) -> tuple[Array, Array, NDArray[Any]]:
    x, y, _ = _rows(target, feature, [data[key] for key in train])
    held, truth, groups = _rows(target, feature, [data[key] for key in test])
    if target.kind == "regression":
        return truth, make_pipeline(StandardScaler(), Ridge(10.0)).fit(x, y).predict(held), groups
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=300))
    guess = model.fit(x, y.astype(int)).predict_proba(held)
    return truth, guess[:, 1] if target.kind == "binary" else guess, groups


def _rows(target: Target, feature: str, samples: list[Probed]) -> tuple[Array, Array, NDArray[Any]]:
    features, known, groups = [], [], []
    for sample in samples:
        x, y = sample.features[feature], sample.known[target.name]
        if target.level == "protein":
            x, y = x.mean(0, keepdims=True), y.reshape(1)
        there = ~np.isnan(y)
        features.append(x[there])
        known.append(y[there])
        groups.append(np.full(int(there.sum()), sample.group))
    return np.concatenate(features), np.concatenate(known), np.concatenate(groups)


def main() -> None:
    """Probe every prepared folder that is named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("prepared", nargs="+", type=Path)
    parser.add_argument("--seq", default="plm_mini")
    parser.add_argument("--weights", default="pretrained", choices=["pretrained", "random"])
    parser.add_argument("--bootstrap", type=int, default=1000)
    parser.add_argument("--out", type=Path, help="JSON file to write")
    given = parser.parse_args()
    seq = zoo.create_model(given.seq, "none", weights=given.weights).seq
    found = [one for folder in given.prepared for one in probe(folder, seq, given.bootstrap)]
    for one in found:
        print(f"\n{one['data']} {one['target']}: {one['metric']} ({one['better']} is better), "
              f"{one['groups']} groups")  # fmt: skip
        for name, score in one["scores"].items():
            print(f"  {name:18} {score['value']:+.3f} ({score['low']:+.3f}, {score['high']:+.3f})")
    if given.out:
        given.out.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
