"""What a linear map reads off every part with trained weights, beside letters and random weights.

    python benchmarks/parts.py prepared/ppbs prepared/bce

Probes the package's language models, mpnn with its log-odds, and the feature sets, as `zoo probe`
does, for the target of each prepared folder, and with PPBS for secondary structure in three states
(Kabsch and Sander, `zoo.proteins.secondary_structure`, from the structures). Maps are fitted on
training samples; validation samples choose penalties and layers; test samples are scored once. With
folds, each is tested by what the fold after it chose. Writes results/parts.json, and the tables of
docs/parts.md.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from zoo.command.say import terminal
from zoo.data.kin import kin_of
from zoo.data.preparing import STORE, read_manifest
from zoo.data.rounds import Round, rounds, with_validation
from zoo.data.samples import Sample
from zoo.data.store import Store
from zoo.metrics.predictions import Predictions
from zoo.pretrained import language_models
from zoo.probing.parts import LETTERS, RANDOM, Source, letters
from zoo.probing.probe import Probed, best_layers, gains, on_test, probe, scores, tables
from zoo.probing.sources import branches, controls
from zoo.probing.structure import feature_sets
from zoo.proteins.feature_sets import ORDER
from zoo.proteins.secondary_structure import STATES, states
from zoo.reporting.score_tables import cell
from zoo.settings.config import Config
from zoo.system.files import cache_root, write_json, write_whole
from zoo.tasks import Target

ROOT = Path(__file__).resolve().parents[1]
RESULTS, PAGE = ROOT / "results/parts.json", ROOT / "docs/parts.md"
BEGIN, END = "<!-- from benchmarks/parts.py -->", "<!-- end -->"
SECONDARY = Target("secondary_structure", "multiclass", "residue", len(STATES), STATES)
SETS = tuple(name for name in ORDER if name not in ("mpnn", "sequence_fit"))
"""The library's own sets of features, without those of the network's last layer and log-odds."""
WITH_SECONDARY = "ppbs"
SEED = 0
NETWORK = Config().with_options({"sequence.name": "none", "structure.name": "mpnn"})
NAMES = {"average_precision": "average precision", "chain_average_precision": "within chains"}


def sources(names: Sequence[str], inputs: str, root: Path) -> list[Source]:
    """Return the trained parts, the same with random weights, feature sets and letters."""
    models = [
        Config().with_options({"sequence.name": name, "structure.name": "none"}) for name in names
    ]
    trained, random = [], []
    for config in [*models, NETWORK.with_values(["structure.args.log_odds=true"])]:
        mine = branches(config, None, inputs, root, "cpu")
        trained += mine
        random += controls(config, mine, None, inputs, root, "cpu")
    return [letters("residue"), *trained, *random, feature_sets(SETS)]


def loaded(folder: Path, secondary: bool) -> tuple[dict[str, Any], dict[str, Sample]]:
    """Return the index records and samples of a prepared folder, with secondary structure."""
    with Store(folder / STORE) as store:
        index, samples = store.index(), {key: store[key] for key in store.keys()}
    if secondary:
        samples = {key: _with_secondary(sample) for key, sample in samples.items()}
    return index, samples


def _with_secondary(sample: Sample) -> Sample:
    found = states(sample.protein).astype(np.float32)
    found[found < 0] = np.nan
    return dataclasses.replace(sample, targets={**sample.targets, SECONDARY.name: found})


def of_folder(
    folder: Path, names: Sequence[str], root: Path, rows: int, n: int
) -> Iterator[dict[str, Any]]:
    """Yield the scores for each target of a prepared folder."""
    manifest = read_manifest(folder)
    secondary = manifest["task"] == WITH_SECONDARY
    index, samples = loaded(folder, secondary)
    listener = terminal()
    found = sources(names, manifest["inputs"], root)
    for source in found:
        source.fill(samples.__getitem__, list(samples), listener)
    plans = [with_validation(plan, index, SEED) for plan in rounds(index)]
    targets = [*map(Target.from_dict, manifest["targets"]), *([SECONDARY] if secondary else [])]
    for target in targets:
        facts = {"data": manifest["task"], "inputs": manifest["inputs"], "target": target.name}
        yield facts | _of_target(target, index, samples, plans, found, rows, n)


def _of_target(
    target: Target, index: dict[str, Any], samples: dict[str, Sample], plans: Sequence[Round],
    found: Sequence[Source], rows: int, n: int,
) -> dict[str, Any]:  # fmt: skip
    parts = [part for source in found for part in source.parts]
    said: dict[str, list[Predictions]] = {}
    layers: dict[str, list[int]] = {}
    train = []
    for keys in plans:
        read = tables(
            target, samples.__getitem__, index, keys, found, rows=rows, seed=SEED, test=True
        )
        probed = probe(parts, read, samples.__getitem__, terminal())
        shown = _shown(probed)
        assert read.test is not None
        predicted = on_test(list(shown.values()), read.test, samples.__getitem__)
        for (name, one), test in zip(shown.items(), predicted, strict=True):
            said.setdefault(name, []).append(test)
            layers.setdefault(name, []).append(one.part.layer or 0)
        train.append(len(read.train))
    kin = kin_of(index, [key for keys in plans for key in keys.test])
    whole = {name: _joined(each).with_kin(kin) for name, each in said.items()}
    return {
        "rows": {"train": train, "test": len(next(iter(whole.values())))},
        "parts": {
            name: {
                "layers": layers[name] if any(layers[name]) else None,
                **{metric: x.to_dict() for metric, x in scores(one, n, SEED).items()},
            } for name, one in whole.items()
        },
        "above random weights": {
            name: {key: x.to_dict() for key, x in gains(one, whole[twin], n, SEED).items()}
            for name, one in whole.items() if (twin := _twin(name)) in whole
        },
    }  # fmt: skip


def _shown(probed: Sequence[Probed]) -> dict[str, Probed]:
    """Return what has a row: letters, the best and the last layer of each model, other parts."""
    found = {one.part.name: one for one in probed if one.part.source == LETTERS}
    for source, one in best_layers(probed).items():
        layers = [x for x in probed if x.part.source == source and x.part.layer is not None]
        found[f"{source}, best layer"] = one
        found[f"{source}, last layer"] = layers[-1]
        more = [x for x in probed if x.part.source == source and x.part.layer is None]
        found |= {f"{source}, log-odds": x for x in more}
    return found | {one.part.title: one for one in probed if one.part.source == "features"}


def _twin(name: str) -> str:
    """Return the name of the same part with random weights."""
    source, comma, part = name.partition(", ")
    return f"{source} {RANDOM}{comma}{part}"


def _joined(parts: Sequence[Predictions]) -> Predictions:
    columns = [name for name in vars(parts[0]) if name != "target"]
    return Predictions(
        parts[0].target, **{c: np.concatenate([getattr(x, c) for x in parts]) for c in columns}
    )


def rendered(facts: dict[str, Any]) -> str:
    """Return the tables of the page, in Markdown."""
    found = facts["targets"]
    columns = [(one, metric) for one in found for metric in _metrics(one)]
    head = ["part", *(f"{_title(one)}: {NAMES.get(metric, metric)}" for one, metric in columns)]
    rows = [
        [name, *(cell(one["parts"][name][metric]) for one, metric in columns)]
        for name in found[0]["parts"]
    ]
    above = [
        [name, *(cell(one["above random weights"][name][metric], "+") for one, metric in columns)]
        for name in found[0]["above random weights"]
    ]
    layers = [
        [name, *(", ".join(map(str, one["parts"][name]["layers"])) for one in found)]
        for name in found[0]["parts"] if name.endswith("best layer")
    ]  # fmt: skip
    return "\n\n".join([
        _table(head, rows),
        "The same, trained minus random weights:",
        _table(head, above),
        "The best layer by validation samples, of each fold where there are folds:",
        _table(["model", *map(_title, found)], layers),
    ])  # fmt: skip


def _title(one: dict[str, Any]) -> str:
    return f"{one['data']}, {one['target'].replace('_', ' ')}"


def _metrics(one: dict[str, Any]) -> list[str]:
    return [name for name in next(iter(one["parts"].values())) if name != "layers"]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def renewed(text: str, facts: dict[str, Any]) -> str:
    """Return the page with its tables made anew."""
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    return f"{before}{BEGIN}\n{rendered(facts)}\n{END}{after}"


def main() -> None:
    """Probe the parts, and write the results and the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("prepared", nargs="*", type=Path, help="none: only renew the page")
    parser.add_argument("--seq", action="append", help="language model; all of the package's")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--bootstrap", type=int, default=1000)
    parser.add_argument("--store", type=Path)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--page", type=Path, default=PAGE)
    given = parser.parse_args()
    if given.prepared:
        names = given.seq or language_models()
        root = given.store or cache_root()
        found = [
            one for folder in given.prepared
            for one in of_folder(folder, names, root, given.rows, given.bootstrap)
        ]  # fmt: skip
        facts = {
            "command": "python benchmarks/parts.py " + " ".join(
                f"prepared/{folder.name}" for folder in given.prepared),
            "seed": SEED, "rows": given.rows, "bootstrap": given.bootstrap,
            "cpu seconds": round(time.process_time()),
            "versions": {x: version(x) for x in ("protein-model-zoo", "scikit-learn", "torch")},
            "targets": found,
        }  # fmt: skip
        write_json(given.results, facts)
    facts = json.loads(given.results.read_text(encoding="utf-8"))
    write_whole(given.page, renewed(given.page.read_text(encoding="utf-8"), facts))
    print(rendered(facts))


if __name__ == "__main__":
    sys.exit(main())
