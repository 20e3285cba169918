"""Put a trained run, or a language model, where the package ships models from.

    python benchmarks/pack_model.py runs/ppbs ppbs --title "Protein binding sites" \\
        --source "GraphPPIS (MIT), coordinates PDB (CC0)" --remark "Chosen on validation." \\
        --not-for "..." --command "python -m ..."
    python benchmarks/pack_model.py runs/plm plm_mini

A run must have been scored (`zoo.evaluate`). Left out are checkpoints, logs and predictions;
paths of this machine are made relative. The card tells scores beside trivial baselines.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zoo.metrics.verdict import HEADLINE
from zoo.models.runs import ENSEMBLE
from zoo.pretrained import HOME

MEMBER = ("config.yaml", "model.safetensors", "calibration.json", "splits.json", "checksums.json")
LIMIT = 5_000_000
"""Bytes of a task's model."""


def pack_run(run: Path, out: Path, given: argparse.Namespace) -> None:
    """Copy what predicting and scoring need, and write the card."""
    facts, metrics = (json.loads((run / name).read_text()) for name in ("run.json", "metrics.json"))
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    for member in facts["members"]:
        folder = out / member["folder"]
        folder.mkdir(exist_ok=True)
        for name in MEMBER:
            if (run / member["folder"] / name).exists():
                shutil.copyfile(run / member["folder"] / name, folder / name)
    for values in (facts, metrics):
        values["data"] = Path(values["data"]).name
        values["command"] = given.command
    if (run / ENSEMBLE).exists():
        shutil.copyfile(run / ENSEMBLE, out / ENSEMBLE)
    (out / "run.json").write_text(json.dumps(facts, indent=1) + "\n")
    (out / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n")
    (out / "README.md").write_text(card(out.name, given, facts, metrics))


def card(name: str, given: argparse.Namespace, facts: dict[str, Any], metrics: Any) -> str:
    """Return the model card."""
    config = facts["config"]
    seeds = sorted({member["seed"] for member in facts["members"]})
    coloured = " --structures" if facts["targets"][0]["level"] == "residue" else ""
    lines = [
        f"# {name}: {given.title}", "",
        f"{config['sequence']['name']} and {config['structure']['name']}, "
        f"{config['fusion']['name']} fusion ({config['fusion']['write_back']}); "
        f"{_members(len(facts['members']), seeds)}", "",
        "```bash", f"python -m zoo.predict structures/ --model {name} --out found{coloured}",
        "```", "", "## Scores", "",
        f"On the test split ({metrics['samples']} samples, hash {metrics['split_hash']}), which "
        f"was not trained on. {given.remark} 95 % intervals over proteins or groups; the "
        "difference is paired, to the best trivial baseline over all test samples.", "",
        "| target | subset | metric | score | best baseline | difference |",
        "|---|---|---|---|---|---|",
        *_rows(metrics), "",
        "## Made by", "", "```bash", given.command,
        f"python -m zoo.evaluate {name} --data PREPARED --out scores   # the same numbers", "```",
        "",
        f"Versions: {', '.join(f'{k} {v}' for k, v in metrics['versions'].items() if v)}.", "",
        "## Data", "", given.source, "", "## Not for", "", given.not_for, "",
    ]  # fmt: skip
    return "\n".join(lines)


def _members(count: int, seeds: list[int]) -> str:
    if count == 1:
        return f"one model, seed {seeds[0]}."
    return f"{count} models, seeds {', '.join(map(str, seeds))}; their mean is the prediction."


def _rows(metrics: Any) -> Iterator[str]:
    for target, facts in metrics["targets"].items():
        metric = HEADLINE[facts["kind"]]
        model = {p["subset"]: p["values"] for p in facts["parts"] if p["model"] == "model"}
        for subset, values in model.items():
            where = facts["differences"] if subset == "all" else facts["subsets"].get(subset, {})
            moved = where.get(metric)
            told = _interval(moved, "+") if moved else ""
            best = moved["baseline"].replace("_", " ") if moved else ""
            yield (f"| {target} | {subset} | {metric.replace('_', ' ')} | "
                   f"{_interval(values[metric])} | {best} | {told} |")  # fmt: skip


def _interval(values: dict[str, Any], sign: str = "") -> str:
    parts = [values["value"], values["low"], values["high"]]
    one, low, high = ("?" if part is None else f"{part:{sign}.3f}" for part in parts)
    return f"{one} ({low}, {high})"


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
        f"- held out: {corpus['validation']['sequences']:,} sequences, whole families", "",
        "| perplexity of hidden residues, held-out families | |", "|---|---|",
        *(f"| {key} | {value:.2f} |" for key, value in facts["perplexity"].items()), "",
        "Trigram: the two residues before; neighbours: the one on each side, both true.", "",
        "Sequences: Swiss-Prot enzymes (UniProt, CC-BY 4.0), SCOPe 40, CATH S40, PDB chains.", "",
        "Not for: anything that ESM-2 or ProtT5 can be had for; numbers to publish as those of a "
        "protein language model.", "",
    ]  # fmt: skip
    return "\n".join(lines)


def main() -> None:
    """Pack what is named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("name")
    for option in ("--title", "--source", "--not-for", "--command", "--remark"):
        parser.add_argument(option, default="")
    given = parser.parse_args()
    out = HOME / given.name
    if (given.run / "pretraining.json").is_file():
        pack_language_model(given.run, out)
    else:
        pack_run(given.run, out, given)
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    print(f"{out}: {size / 1e6:.2f} MB")
    if size > LIMIT and (out / "run.json").exists():
        raise SystemExit(f"more than {LIMIT / 1e6:.0f} MB: train a smaller model, or fewer seeds")


if __name__ == "__main__":
    main()
