"""Put a trained run, its scores or a language model where the package ships models from.

    python benchmarks/pack_model.py runs/ppbs_none_gat_none ppbs  # a run that zoo.evaluate scored
    python benchmarks/pack_model.py scores ppbs_local     # scores of a model of the package
    python benchmarks/pack_model.py zoo/pretrained/bce bce         # its card alone, made again
    python benchmarks/pack_model.py runs/plm plm_mini              # a language model

`scores` is what `zoo.evaluate ppbs_local --data PREPARED --out scores` wrote. Left out are
checkpoints, logs and predictions; paths of this machine are made relative. What only a person can
say of a task's model is in `benchmarks/cards/NAME.yaml`; the card has its numbers beside that.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from model_cards import WORDS, Words, card, words_of

from zoo.models.runs import ENSEMBLE
from zoo.models.thresholds import THRESHOLDS
from zoo.pretrained import CONFIG, HOME, RUN, WARNING

MEMBER = (CONFIG, "model.safetensors", "calibration.json", "splits.json", "checksums.json")
METRICS = "metrics.json"
LIMIT = 5_000_000
"""Bytes of a task's model."""


def pack_run(run: Path, out: Path, words: Words) -> None:
    """Copy what predicting and scoring need.

    Raises:
        SystemExit: If a model does not know whether it was trained on single chains.
    """
    facts = json.loads((run / RUN).read_text())
    for member in facts["members"]:
        path = run / member["folder"] / CONFIG
        if yaml.safe_load(path.read_text()).get("scope") is None:
            raise SystemExit(
                f"{path} was written before the scope was kept, so complexes would be taken whole. "
                "If it was trained on single chains, add the line `scope: chain`."
            )
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    for member in facts["members"]:
        _copy(run / member["folder"], out / member["folder"], MEMBER)
    _copy(run, out, (ENSEMBLE, THRESHOLDS))
    facts |= {"data": Path(facts["data"]).name, "command": words.command}
    (out / RUN).write_text(json.dumps(facts, indent=1) + "\n")
    pack_scores(run, out)


def _copy(source: Path, out: Path, names: Iterable[str]) -> None:
    out.mkdir(exist_ok=True)
    for name in names:
        if (source / name).exists():
            shutil.copyfile(source / name, out / name)


def pack_scores(scores: Path, out: Path) -> None:
    """Put the scores in a folder beside the model's weights."""
    metrics = json.loads((scores / METRICS).read_text())
    command = f"python -m zoo.evaluate {out.name} --data PREPARED --out scores"
    metrics |= {"data": Path(metrics["data"]).name, "command": command}
    (out / METRICS).write_text(json.dumps(metrics, indent=1) + "\n")


def pack_language_model(run: Path, out: Path) -> None:
    """Copy a folder of `zoo.pretrain`, with a card."""
    facts = json.loads((run / "pretraining.json").read_text())
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(run / "model", out)
    (out / "pretraining.json").write_text(json.dumps(facts, indent=1) + "\n")
    shutil.copyfile(run / "curves.csv", out / "curves.csv")
    (out / "README.md").write_text(language_model_card(out.name, facts))


def language_model_card(name: str, facts: dict[str, Any]) -> str:
    """Return the card of a language model."""
    settings, corpus = facts["settings"], facts["corpus"]
    lines = [
        f"# {name}", "",
        f"A masked language model of ESM-2's architecture ({settings['num_layers']} layers of "
        f"{settings['width']}), trained from nothing by this project with `python -m "
        "zoo.pretrain`. It is not ESM-2 and much weaker: it is here so that something trained "
        "runs without a download.", "",
        f"- {facts['progress']['tokens']:,} tokens of {corpus['train']['sequences']:,} sequences "
        f"({corpus['train']['residues']:,} residues), crops of {settings['longest']}, "
        f"seed {settings['seed']}, weights in bfloat16",
        f"- left out: {corpus['counts']['kin of a test chain']:,} sequences that a test chain of "
        "any task finds at E <= 0.001 (MMseqs2, sensitivity 7.5), "
        f"{corpus['counts']['of such a family']:,} more of their families (30 % identity), "
        f"{corpus['counts']['kin of validation']:,} that a held-out one finds",
        f"- held out: {corpus['validation']['sequences']:,} sequences, whole families",
        *_structures(facts), "",
        "| perplexity of hidden residues, held-out families | |", "|---|---|",
        *(f"| {key} | {value:.2f} |" for key, value in facts["perplexity"].items()), "",
        "Trigram: the two residues before; neighbours: the one on each side, both true.", "",
        f"Sequences: {sequences_of(name)}", "",
        "Not for: anything that ESM-2 or ProtT5 can be had for; numbers to publish as those of a "
        "protein language model.", "",
    ]  # fmt: skip
    return "\n".join(lines)


def _structures(facts: dict[str, Any]) -> list[str]:
    """Return what the letters of structures were, and how well they are told; or nothing."""
    if "structures" not in facts:
        return []
    train, copied = facts["structures"]["train"], facts["structures"]["relatives"]
    told = ", ".join(
        f"{name.replace('_', ' ')} {value:.3f}" for name, value in facts["accuracy"].items()
    )
    return [
        f"- also taught the secondary structure, 3Di letter and burial of {train['chains']:,} "
        f"chains and {copied['chains']:,} relatives of theirs; accuracies on "
        f"{facts['structures']['validation']['chains']} chains of held-out families: {told}"
    ]


def sequences_of(name: str) -> str:
    """Return what a language model was trained on, and the licences."""
    found: dict[str, Any] = yaml.safe_load((WORDS / "language_models.yaml").read_text())[name]
    return str(found["sequences"])


def pack(source: Path, out: Path) -> None:
    """Pack what a folder holds, as the model of the name that `out` has."""
    if (source / "pretraining.json").is_file():
        pack_language_model(source, out)
        return
    words = words_of(out.name)
    if source.resolve() != out.resolve():
        if (source / RUN).is_file():
            pack_run(source, out, words)
        else:
            pack_scores(source, out)
    (out / "README.md").write_text(card(out, words))
    (out / WARNING).unlink(missing_ok=True)
    if words.warning:
        (out / WARNING).write_text(words.warning + "\n")


def main() -> None:
    """Pack what is named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, help="a run, a folder of scores, or the model's own")
    parser.add_argument("name", help="name of the model in the package")
    given = parser.parse_args()
    out = HOME / given.name
    pack(given.source, out)
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    print(f"{out}: {size / 1e6:.2f} MB")
    if size > LIMIT and (out / RUN).exists():
        raise SystemExit(f"more than {LIMIT / 1e6:.0f} MB: train a smaller model, or fewer seeds")


if __name__ == "__main__":
    main()
