"""The model card on the hub: metadata that the hub reads, and a page for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo import __version__
from zoo.backbones.plm import PLM, STATES, resolve
from zoo.models.card import SCOPES, licence
from zoo.models.runs import FACTS, trained
from zoo.models.thresholds import METRICS
from zoo.models.trained import interval
from zoo.pretrained import CONFIG
from zoo.pretrained.hub import SCHEME
from zoo.settings.safe_yaml import read_yaml
from zoo.system.counting import counted
from zoo.system.files import read_json
from zoo.system.reading import text
from zoo.tasks import HEADLINE, TASKS, Target

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

LIBRARY = "protein-model-zoo"
STRUCTURES = "graph-ml"
"""The hub's word for models of graphs."""
SEQUENCES = {"residue": "token-classification", "protein": "text-classification"}
"""The hub's words for models without a structure branch, by the level of their targets."""
RELATIONS = {"lora": "adapter", "last": "finetune", "full": "finetune"}


def hub_card(folder: Path, repo: str, terms: str | None) -> str:
    """Return README.md of a packed run.

    Args:
        folder: Folder that `pack` wrote.
        repo: Its repository, as user/name.
        terms: The hub's identifier of the licence under which it is shared; None if the user
            names none.
    """
    from huggingface_hub import ModelCardData

    targets, members = trained(folder)
    config = read_yaml(text(members[0].folder / CONFIG))
    targets = targets or tuple(map(Target.from_dict, config["targets"]))
    metrics = read_json(folder / METRICS) or {}
    plm = _plm(config)
    results = list(_results(metrics, _pipeline(config, targets)))
    data = ModelCardData(
        library_name=LIBRARY,
        license=terms,
        pipeline_tag=_pipeline(config, targets),
        tags=_tags(config),
        datasets=[config["task"]] if config["task"] != "table" else None,
        base_model=plm.hub_id if plm else None,
        base_model_relation=RELATIONS.get(config["sequence"]["tuning"]) if plm else None,
        metrics=sorted({one.metric_type for one in results}) or None,
        model_name=repo.split("/")[1] if results else None,
        eval_results=results or None,
    )
    lines = [*_about(config, targets, len(members), repo), *_scores(metrics), *_use(repo, config)]
    versions = read_json(folder / FACTS).get("versions", {}) if (folder / FACTS).exists() else {}
    told = ", ".join(f"{name} {one}" for name, one in versions.items()) or f"zoo {__version__}"
    return "\n".join(["---", data.to_yaml(), "---", "", *lines, f"Trained with {told}.", ""])


def _pipeline(config: Mapping[str, Any], targets: tuple[Target, ...]) -> str:
    return STRUCTURES if config["structure"]["name"] != "none" else SEQUENCES[targets[0].level]


def _plm(config: Mapping[str, Any]) -> PLM | None:
    """Return the language model, None for a model without one or with a file of its states."""
    name = config["sequence"]["name"]
    return None if name == "none" or name.startswith(STATES) else resolve(name)


def _tags(config: Mapping[str, Any]) -> list[str]:
    parts = [config["structure"]["name"], config["fusion"]["name"] or "none"]
    return ["protein", "biology", "pytorch", config["task"], *(x for x in parts if x != "none")]


def _results(metrics: Mapping[str, Any], pipeline: str) -> Iterator[EvalResult]:
    """Yield the scores over all samples, each with its interval."""
    from huggingface_hub import EvalResult

    for name, facts in metrics.get("targets", {}).items():
        for metric, values in _own(facts).items():
            score = interval(values).plain()
            if score["value"] is None:
                continue
            yield EvalResult(
                task_type=pipeline, task_name=TASKS[metrics["task"]].title,
                dataset_type=metrics["task"], dataset_name=TASKS[metrics["task"]].title,
                dataset_split=metrics["split"], metric_type=metric,
                metric_name=f"{name}: {_words(metric)}", metric_value=score["value"],
                metric_args={"interval": "95 %", "low": score["low"], "high": score["high"]},
            )  # fmt: skip


def _own(facts: Mapping[str, Any]) -> Mapping[str, Any]:
    parts = facts.get("parts", ())
    found: Iterator[Mapping[str, Any]] = (
        part["values"] for part in parts if (part["model"], part["subset"]) == ("model", "all")
    )
    return next(found, {})


def _words(metric: str) -> str:
    return metric.replace("_", " ")


def _about(
    config: Mapping[str, Any], targets: tuple[Target, ...], members: int, repo: str
) -> list[str]:
    task, sequence = config["task"], config["sequence"]
    lines = [
        f"# {repo.split('/')[1]}", "",
        f"{TASKS[task].title}, predicted by {counted(members, 'model')} of "
        f"{LIBRARY}.", "",
        "| | |", "|---|---|",
        f"| predicts | {', '.join(f'{t.name} ({t.kind}, one per {t.level})' for t in targets)} |",
        f"| language model | {sequence['name']}, {sequence['tuning']} |",
        f"| graph network | {config['structure']['name']} |",
        f"| fusion | {config['fusion']['name']}, {config['fusion']['write_back']} |",
    ]  # fmt: skip
    if config.get("scope"):
        lines.append(f"| one protein is | {SCOPES[config['scope']]} |")
    if _plm(config):
        lines.append(f"| licence of the language model | {licence(sequence['name'])} |")
    return [*lines, ""]


def _scores(metrics: Mapping[str, Any]) -> list[str]:
    """Return a table of the first metric of each target, beside the best trivial baseline."""
    rows = []
    for name, facts in metrics.get("targets", {}).items():
        metric = HEADLINE[facts["kind"]]
        own, moved = _own(facts).get(metric), facts.get("differences", {}).get(metric)
        if own is None:
            continue
        ahead = f"{moved['baseline'].replace('_', ' ')} | {interval(moved).told('+')}"
        rows.append(
            f"| {name} | {_words(metric)} | {interval(own)} | {ahead if moved else ' | '} |"
        )
    if not rows:
        return ["It was not scored before it was shared.", ""]
    head = "| target | metric | score | best trivial baseline | difference |"
    return [
        f"## Scores on the {metrics['split']} split", "",
        f"{counted(metrics['samples'], 'sample')}; 95 % intervals in brackets.", "",
        head, "|---|---|---|---|---|", *rows, "",
    ]  # fmt: skip


def _use(repo: str, config: Mapping[str, Any]) -> list[str]:
    extra = ""
    if config["sequence"]["name"].startswith(STATES):
        extra = " --states STATES.h5"
    return [
        "## Use", "", "```bash",
        f"python -m zoo.predict structures/ --model {SCHEME}{repo} --out found{extra}", "```", "",
        "```python", "import zoo", "",
        f'scores = zoo.predict("structures/", "{SCHEME}{repo}")  # @COMMIT pins it', "```",
        "",
        "The frozen weights of the language model are not part of this repository. They are "
        "fetched by name, and their fingerprint is compared with the one that it was trained "
        "with.", "",
    ]  # fmt: skip
