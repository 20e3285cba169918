"""One page about a run: how well it does, on what, and where it looks."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.cli import console, err_console, run
from zoo.errors import ConfigError, unknown
from zoo.options import names

if TYPE_CHECKING:
    from zoo.metrics.comparison import Comparison
    from zoo.metrics.predictions import Predictions
    from zoo.reporting.proteins import Scores
    from zoo.runs import Run
    from zoo.tasks.store import Store

PAGE = "report.html"


def report(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="RUN",
            help="Folder that zoo.train wrote, or a shipped model's name.",
            autocompletion=names("model"),
        ),
    ],
    data: Annotated[
        Path | None, typer.Option(help="Where the run's prepared data lie, if not where it says.")
    ] = None,
    scores: Annotated[
        Path | None, typer.Option(help="Folder that zoo.evaluate wrote, if not the run's own.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Page to write; report.html beside the scores.")
    ] = None,
    protein: Annotated[
        list[str] | None, typer.Option(help="Draw this one; may be repeated. Else best to worst.")
    ] = None,
    beside: Annotated[
        list[Path] | None,
        typer.Option(help="Another run that was scored on the same samples; may be repeated."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the page's place as JSON.")] = False,
) -> None:
    """Write one HTML page about a run that was evaluated; it needs no network to be opened.

    Scores beside baselines and other runs, curves, calibration, scores by length and by kinship to
    the training data, best and worst cases, structures in colour. Gates are those of the first
    model.

    Example: python -m zoo.report runs/ppbs --beside runs/ppbs_serial
    """
    with err_console.status("writing the page ..."):
        from zoo.pretrained import folder_of
        from zoo.runs import read_run

        found = read_run(folder_of(folder))
        if scores is None and found.folder != folder:
            raise ConfigError(
                f"--scores is missing: {folder} is a part of the package, which holds no "
                f"predictions. First: python -m zoo.evaluate {folder} --data PREPARED --out DIR."
            )
        scores = scores or found.folder
        path = out or scores / PAGE
        text = _page(found, data or found.data, scores, protein or [], beside or [])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    size = path.stat().st_size / 1e6
    if json:
        print(jsonlib.dumps({"page": str(path)}))
        return
    console.print(f"written: {path} ({size:.1f} MB)", highlight=False, soft_wrap=True)


def _page(found: Run, data: Path, scores: Path, asked: list[str], beside: list[Path]) -> str:
    from zoo.metrics.predictions import NAME, read_predictions
    from zoo.page import page
    from zoo.prediction.evaluation import check_data
    from zoo.reporting import proteins, sections, viewer
    from zoo.runs import read_json
    from zoo.tasks.preparing import STORE
    from zoo.tasks.store import Store

    metrics = read_json(scores / "metrics.json")
    if metrics is None or not (scores / NAME).is_file():
        raise ConfigError(
            f"{scores} holds no metrics.json and {NAME}. First: "
            f"python -m zoo.evaluate {found.folder}; --scores names another folder that it wrote."
        )
    split = metrics["split"]
    predictions = read_predictions(scores)
    check_data(found, data)
    body = [sections.head(found, metrics)]
    for name, verdict in metrics["targets"].items():
        body.append(sections.scores(name, verdict))
    body += [sections.beside(one) for one in _beside(scores, beside, split)]
    body.append(sections.curves(found))
    held = {name: predictions[name].take(predictions[name].split == split)
            for name in metrics["targets"]}  # fmt: skip
    each = {name: proteins.score_each(one) for name, one in held.items()}
    first = next(iter(each.values()))
    with Store(data / STORE) as store:
        index = store.index()
        for key in asked:
            if key not in first.values:
                raise unknown("protein with a score (--protein)", key, first.values)
        sequences = {key: index[key]["sequences"] for key in index if "sequences" in index[key]}
        scored = list(dict.fromkeys(key for one in each.values() for key in one.values))
        identity = proteins.nearest_identity(found, sequences, scored)
        drawn = _drawn(found, store, held, first, proteins.chosen(first, asked))
    body.append(viewer.section(drawn) if drawn else "")
    for name in each:
        title = name if len(each) > 1 else ""
        body += sections.by_protein(title, held[name], each[name], sequences, identity)
    return page(f"{found.folder.resolve().name}: report", "".join(body), viewer.STYLE)


def _beside(scores: Path, others: list[Path], split: str) -> list[Comparison]:
    """Return this run and the others on each target, by the metric that it is told by."""
    from zoo.compare import load
    from zoo.metrics.comparison import align, compare_target
    from zoo.metrics.verdict import HEADLINE

    if not others:
        return []
    return [
        compare_target(runs, split, [HEADLINE[next(iter(runs.values())).target.kind]])
        for runs in align(load([scores, *others]), split, intersect=False)
    ]


def _drawn(
    found: Run, store: Store, held: Mapping[str, Predictions], each: Scores, keys: list[str]
) -> dict[str, Any]:
    """Return the chosen proteins as the viewer takes them, those without coordinates left out."""
    from zoo.explanation.exchanges import look, weighs
    from zoo.prediction.ensemble import load_ensemble
    from zoo.reporting.viewer import describe

    model = load_ensemble(found.folder, "cpu").models[0]
    drawn = {}
    for key in keys:
        protein = store[key].protein
        if not protein.has_structure:
            continue
        columns: dict[str, Any] = {}
        for name, rows in held.items():
            suffix = f" of {name}" if len(held) > 1 else ""
            columns |= _values(rows.take(rows.id == key), len(protein), suffix)
        if weighs(model):
            columns |= look(model, protein, model.batch([protein])).columns
        title = f"{key} ({each.name} {each.values[key]:.3f})"
        one = describe(protein, title, columns) if columns else None
        if one is not None:
            drawn[key] = one
    return drawn


def _values(rows: Predictions, length: int, suffix: str) -> dict[str, Any]:
    """Return prediction and label of each residue; nothing where a protein has one of all."""
    import numpy as np

    if rows.target.level != "residue" or rows.y_pred.ndim > 1:
        return {}
    found = {}
    for kind, values in (("prediction", rows.y_pred), ("label", rows.y_true)):
        found[kind + suffix] = np.full(length, np.nan)
        found[kind + suffix][rows.residue] = values
    return found


if __name__ == "__main__":
    run(report)
