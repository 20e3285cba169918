"""The report on a prepared data set: sizes, a hash of the ids, labels, dropped samples, leaks."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import alike
from zoo.system.files import whole_file
from zoo.tasks import Target

Index = Mapping[str, Mapping[str, Any]]
COLUMNS = (
    "id", "split", "subset", "chain", "labelled", "matched", "missing", "unlabelled", "mutated",
    "modified", "notes", "dropped",
)  # fmt: skip


def summarise(index: Index, targets: Iterable[Target]) -> dict[str, Any]:
    """Return the summary of a data set as plain values, from the index records of its samples."""
    kept = {key: fact for key, fact in index.items() if "dropped" not in fact}
    parts = Counter(_part(fact) for fact in kept.values())
    matches = [match for fact in kept.values() for match in fact["matches"]]
    counts = ("labelled", "matched", "missing", "unlabelled", "mutated", "modified")
    return {
        "listed": len(index),
        "samples": len(kept),
        "dropped": len(index) - len(kept),
        "parts": dict(sorted(parts.items())),
        "ids": hash_of(fact["id"] for fact in kept.values()),
        "ids_by_part": {
            part: hash_of(fact["id"] for fact in kept.values() if _part(fact) == part)
            for part in sorted(parts)
        },
        "residues": {name: sum(match[name] for match in matches) for name in counts},
        "labels": {
            target.name: {part: distribution(kept, target, part) for part in sorted(parts)}
            for target in targets
        },
        "reasons": dict(
            Counter(alike(fact["dropped"]) for fact in index.values() if "dropped" in fact)
        ),
    }


def hash_of(ids: Iterable[str]) -> str:
    """Return a hash of a set of ids; it does not depend on their order."""
    return hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()[:16]


def _part(fact: Mapping[str, Any]) -> str:
    return "/".join(text for text in (fact["split"], fact["subset"]) if text) or "all"


def distribution(index: Index, target: Target, part: str) -> dict[str, Any]:
    """Return the distribution of a target's labels in one part of the data."""
    facts = [
        fact["targets"][target.name]
        for fact in index.values()
        if _part(fact) == part and target.name in fact["targets"]
    ]
    if target.kind == "multilabel" and target.level == "protein":
        labels = Counter(label for fact in facts for label in fact["positive"])
        each = sum(labels.values()) / max(1, len(facts))
        return {"known": len(facts), "labels": len(labels), "mean labels": round(each, 3)}
    if target.level == "residue":
        return _counted(facts, target)
    values = np.array([fact["value"] for fact in facts if fact["value"] is not None])
    if target.kind == "regression":
        return _spread(values)
    classes = np.bincount(values.astype(int))
    return _counted([{"count": len(values), "classes": classes}], target)


def _counted(facts: list[Mapping[str, Any]], target: Target) -> dict[str, Any]:
    """Return how many labels are known, and their classes, mean or share of positives."""
    count = sum(fact["count"] for fact in facts)
    if counts := [fact["classes"] for fact in facts if "classes" in fact]:
        every = np.sum(counts, axis=0)
        largest = float(every.max(initial=0)) / max(1, count)
        return {"known": count, "classes": int((every > 0).sum()),
                "largest class": round(largest, 4)}  # fmt: skip
    if target.kind == "multiclass":  # data that an older version began to prepare
        return {"known": count}
    mean = sum(fact["sum"] for fact in facts) / max(1, count)
    name = "mean" if target.kind == "regression" else "positive"
    return {"known": count, name: round(mean, 4)}


def _spread(values: np.ndarray[Any, Any]) -> dict[str, Any]:
    if not len(values):
        return {"known": 0}
    return {
        "known": len(values), "mean": round(float(values.mean()), 4),
        "sd": round(float(values.std()), 4),
        "min": round(float(values.min()), 4), "max": round(float(values.max()), 4),
    }  # fmt: skip


def write_csv(index: Index, path: Path) -> None:
    """Write one row for each chain, and one for each dropped sample with the reason."""
    with whole_file(path) as file:
        writer = csv.DictWriter(file, COLUMNS, restval="", extrasaction="ignore")
        writer.writeheader()
        for key, fact in index.items():
            if "dropped" in fact:
                writer.writerow({"id": key, "dropped": fact["dropped"]})
                continue
            for match in fact["matches"] or [{}]:
                notes = "; ".join(match.get("notes", ()))
                writer.writerow({**fact, **match, "notes": notes})


def leaks(index: Index, identity: float) -> list[dict[str, Any]]:
    """Return pairs of chains in different splits whose sequence identity reaches `identity`."""
    from zoo.data.similarity import main_chains, near_duplicates

    owners: dict[str, dict[str, str]] = {}
    for fact in index.values():
        for sequence in main_chains(fact.get("sequences", ())):
            # In data with folds instead of splits, no two folds may share a chain.
            split = fact["split"] or fact["subset"]
            owners.setdefault(split, {}).setdefault(sequence, fact["id"])
    splits = sorted(split for split in owners if split)
    found = []
    for i, first in enumerate(splits):
        for second in splits[i + 1 :]:
            a, b = list(owners[first]), list(owners[second])
            for row, column, same in near_duplicates(a, b, identity):
                found.append({
                    "splits": [first, second], "identity": round(same, 3),
                    "ids": [owners[first][a[row]], owners[second][b[column]]],
                })  # fmt: skip
    return sorted(found, key=lambda leak: -float(leak["identity"]))
