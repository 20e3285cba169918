"""What a linear map reads off a language model's states, beside what it reads off letters.

    python benchmarks/probe_language_model.py prepared/ppbs prepared/bce --seq plm_mini

For residues: logistic regression on one-hot of the residue, of the 15 residues around it, on the
last states, and on those of the same model with random weights. For proteins: on composition, and
on mean states. Each is fitted again with the logarithm of the length beside it, because states tell
the length of their chain, and length alone tells a part of many targets. Fitted on training samples
(on the other folds, where there are folds), scored on test ones, with paired bootstrap intervals
over proteins or groups. For binary targets of residues the mean of the scores within chains is
given too. Beside each residue target stands secondary structure, read off the structures: four
residues in a row or more with a helix's torsions, three or more with a strand's.
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
from zoo.metrics import binary, chains, classification, regression
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
RESIDUES_ONLY = ("window",)
LENGTH = " + length"
SECONDARY = Target("secondary_structure", "multiclass", "residue", 3, ("helix", "strand", "coil"))
HELIX, STRAND, COIL = range(3)


@dataclass(frozen=True)
class Probed:
    """One sample: features by name, each (residues, columns), and known values by target."""

    id: str
    group: str
    features: dict[str, Array]
    known: dict[str, Array]


def probed(sample: Sample, seqs: dict[str, Any]) -> Probed:
    """Return a sample's features; residues without a label, or coordinates, are NaN.

    Args:
        sample: to probe.
        seqs: language models by the name of the feature that their last states are.
    """
    protein = sample.protein
    one = (np.array(list("".join(c.sequence for c in protein.chains)))[:, None] == LETTERS) * 1.0
    padded = np.pad(one, ((AROUND, AROUND), (0, 0)))
    around = np.hstack([padded[i : i + len(one)] for i in range(2 * AROUND + 1)])
    known = {name: np.asarray(values, float) for name, values in sample.targets.items()}
    known[SECONDARY.name] = np.concatenate([secondary(c.coords) for c in protein.chains])
    features = {"one-hot": one, "window": around} | {
        name: np.concatenate([_states(seq, c.sequence) for c in protein.chains])
        for name, seq in seqs.items()
    }
    length = np.full((len(protein), 1), np.log(len(protein)))
    features |= {name + LENGTH: np.hstack([x, length]) for name, x in features.items()}
    features = {"length": length, **features}
    return Probed(sample.id, sample.group, features, known)


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


def probe(folder: Path, seqs: dict[str, Any], resamples: int) -> list[dict[str, Any]]:
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
    data = {key: probed(sample, seqs) for key, sample in samples.items()}
    plan = rounds(index)
    kinds = [t for t in targets if t.kind in METRICS]
    if any(t.level == "residue" for t in targets):
        kinds.append(SECONDARY)
    return [_target(folder.name, t, data, plan, resamples) for t in kinds]


def _target(
    name: str, target: Target, data: dict[str, Probed], plan: Any, n: int
) -> dict[str, Any]:
    metric = METRICS[target.kind]
    rows: dict[str, dict[str, Any]] = {}
    for feature in next(iter(data.values())).features:
        if target.level == "protein" and feature.startswith(RESIDUES_ONLY):
            continue
        parts = [_fitted(target, feature, data, fold.train, fold.test) for fold in plan]
        truth, guess, ids, groups = (np.concatenate(x) for x in zip(*parts, strict=True))
        rows[feature] = {"y_true": truth, "y_pred": guess, "id": ids}
    found = {"data": name, "target": target.name, "metric": metric.name, "better": metric.better,
             "rows": len(truth), "groups": len(np.unique(groups)),
             "scores": _scores(metric, rows, groups, n)}  # fmt: skip
    if (target.kind, target.level) == ("binary", "residue"):
        found["per_chain"] = _scores(chains.CHAIN_AVERAGE_PRECISION, rows, groups, n)
    return found


def _scores(metric: Any, rows: dict[str, Any], groups: NDArray[Any], n: int) -> dict[str, Any]:
    """Return the score of each feature, and what the states gain over the others like them."""
    scores = {name: interval(metric, one, groups, n).to_dict() for name, one in rows.items()}
    for end in ("", LENGTH):
        for other in ("one-hot", "window", "random", "length"):
            beside = other if other == "length" else other + end
            if beside in rows:
                gain = paired(metric, rows[beside], rows["states" + end], groups, n)
                scores[f"states{end} - {beside}"] = gain.to_dict()
    return scores


def _fitted(
    target: Target, feature: str, data: dict[str, Probed], train: list[str], test: list[str]
) -> tuple[Array, Array, NDArray[Any], NDArray[Any]]:
    x, y, *_ = _rows(target, feature, [data[key] for key in train])
    held, truth, ids, groups = _rows(target, feature, [data[key] for key in test])
    if target.kind == "regression":
        guess = make_pipeline(StandardScaler(), Ridge(10.0)).fit(x, y).predict(held)
        return truth, guess, ids, groups
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=300))
    guess = model.fit(x, y.astype(int)).predict_proba(held)
    return truth, guess[:, 1] if target.kind == "binary" else guess, ids, groups


def _rows(
    target: Target, feature: str, samples: list[Probed]
) -> tuple[Array, Array, NDArray[Any], NDArray[Any]]:
    features, known, ids, groups = [], [], [], []
    for sample in samples:
        x, y = sample.features[feature], sample.known[target.name]
        if target.level == "protein":
            x, y = x.mean(0, keepdims=True), y.reshape(1)
        there = ~np.isnan(y)
        features.append(x[there])
        known.append(y[there])
        ids.append(np.full(int(there.sum()), sample.id))
        groups.append(np.full(int(there.sum()), sample.group))
    columns = (features, known, ids, groups)
    return tuple(map(np.concatenate, columns))  # type: ignore[return-value,arg-type]


def _shown(score: dict[str, float]) -> str:
    return f"{score['value']:+.3f} ({score['low']:+.3f}, {score['high']:+.3f})"


def main() -> None:
    """Probe every prepared folder that is named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("prepared", nargs="+", type=Path)
    parser.add_argument("--seq", default="plm_mini")
    parser.add_argument("--bootstrap", type=int, default=1000)
    parser.add_argument("--out", type=Path, help="JSON file to write")
    given = parser.parse_args()
    seqs = {
        name: zoo.create_model(given.seq, "none", weights=weights).seq
        for name, weights in (("random", "random"), ("states", "pretrained"))
    }
    found = [one for folder in given.prepared for one in probe(folder, seqs, given.bootstrap)]
    for one in found:
        print(f"\n{one['data']} {one['target']}: {one['metric']} ({one['better']} is better), "
              f"{one['groups']} groups")  # fmt: skip
        for name, score in one["scores"].items():
            print(f"  {name:34} {_shown(score)}", end="")
            print(f", per chain {_shown(one['per_chain'][name])}" if "per_chain" in one else "")
    if given.out:
        given.out.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
