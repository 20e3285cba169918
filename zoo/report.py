"""`python -m zoo.report`: write an HTML page about a run and its scores."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.command.cli import run
from zoo.command.options import names
from zoo.command.say import say, working
from zoo.errors import ConfigError, unknown
from zoo.system.files import make_folder, write_whole

if TYPE_CHECKING:
    from zoo.data.store import Store
    from zoo.metrics.comparison import Comparison
    from zoo.metrics.predictions import Predictions
    from zoo.models.runs import Run
    from zoo.reporting.proteins import Scores
    from zoo.reporting.scales import Scale

PAGE = "report.html"


def report(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="RUN",
            help="Folder that zoo.train wrote, or the name of a shipped model.",
            autocompletion=names("model"),
        ),
    ],
    data: Annotated[
        Path | None,
        typer.Option(help="Folder of the prepared data, if they have moved since the training."),
    ] = None,
    scores: Annotated[
        Path | None,
        typer.Option(help="Folder that zoo.evaluate wrote; default: the folder of the run."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="HTML file to write; default: report.html in the folder of the scores."),
    ] = None,
    protein: Annotated[
        list[str] | None,
        typer.Option(
            help="Id of a protein to draw, instead of some from best to worst; may be repeated."
        ),
    ] = None,
    beside: Annotated[
        list[Path] | None,
        typer.Option(
            help="Another run, scored on the same samples, to compare with; may be repeated."
        ),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print the path of the page as JSON.")
    ] = False,
) -> None:
    """Write one HTML page about an evaluated run, which can be opened without a network.

    The page shows scores next to baselines and other runs, ROC and precision-recall curves or
    predicted against true values, calibration, scores by length and by identity to the training
    data, best and worst cases, and coloured structures. In an ensemble, the gates are those of the
    first model.

    Example: python -m zoo.report runs/ppbs --beside runs/ppbs_serial
    """
    with working("writing the page ..."):
        from zoo.models.runs import read_run
        from zoo.pretrained import folder_of

        found = read_run(folder_of(folder))
        if scores is None and found.folder != folder:
            raise ConfigError(
                f"--scores is missing: {folder} is part of the package, without predictions. "
                f"First run: python -m zoo.evaluate {folder} --data PREPARED --out DIR."
            )
        scores = scores or found.folder
        path = out or scores / PAGE
        make_folder(path.parent)
        text = _page(found, data or found.data, scores, protein or [], beside or [])
        write_whole(path, text)
    size = path.stat().st_size / 1e6
    if json:
        print(jsonlib.dumps({"page": str(path)}))
        return
    say(f"written: {path} ({size:.1f} MB)")


def _page(found: Run, data: Path, scores: Path, asked: list[str], beside: list[Path]) -> str:
    from zoo.data.preparing import STORE
    from zoo.data.store import Store
    from zoo.metrics.multiple import correct, differences_in
    from zoo.metrics.predictions import NAME, read_predictions
    from zoo.prediction.checking import check_data
    from zoo.reporting import comparisons, proteins, sections, viewer
    from zoo.reporting.page import page
    from zoo.system.files import read_json

    metrics = read_json(scores / "metrics.json")
    if metrics is None or not (scores / NAME).is_file():
        raise ConfigError(
            f"{scores} does not hold both metrics.json and {NAME}. First run: python -m "
            f"zoo.evaluate {found.folder}; if it wrote to another folder, name that by --scores."
        )
    correct(differences_in(metrics["targets"]))  # older versions did not
    split = metrics["split"]
    predictions = read_predictions(scores)
    check_data(found, data, new=metrics["inputs"] != found.facts["inputs"])
    body = [sections.head(found, metrics)]
    for name, verdict in metrics["targets"].items():
        body.append(sections.scores(name, verdict))
        body.append(comparisons.every_baseline(name, verdict))
        own = predictions[name].take(predictions[name].split == split)
        body.append(comparisons.pictured(name, verdict, own, _baselines(scores, verdict, own)))
    body.append(sections.beside(_beside(scores, beside, split)))
    body.append(sections.curves(found))
    with Store(data / STORE) as store:
        index = store.index()
        held = {name: _with_kin(predictions[name].take(predictions[name].split == split), index)
                for name in metrics["targets"]}  # fmt: skip
        each = {name: proteins.score_each(one) for name, one in held.items()}
        first = next(iter(each.values()))
        for key in asked:
            if key not in first.values:
                raise unknown("protein with a score (--protein)", key, first.values)
        sequences = {key: index[key]["sequences"] for key in index if "sequences" in index[key]}
        scored = list(dict.fromkeys(key for one in each.values() for key in one.values))
        identity = proteins.nearest_identity(found, sequences, scored)
        drawn = _drawn(found, store, held, first, proteins.chosen(first, asked))
    body.append(_structures(drawn, metrics, first.name) if drawn else "")
    for name in each:
        title = name if len(each) > 1 else ""
        body += sections.by_protein(title, held[name], each[name], sequences, identity)
    return page(f"{found.folder.resolve().name}: report", "".join(body), viewer.STYLE)


def _baselines(scores: Path, found: Mapping[str, Any], own: Predictions) -> dict[str, Predictions]:
    """Return the predictions of the best baselines for the rows of the model, where they are."""
    from zoo.prediction.score_files import read_baselines
    from zoo.reporting.comparisons import best_of

    kept = {}
    for name, one in read_baselines(scores, found["target"], best_of(found)).items():
        rows = one.take(one.split == own.split[0])
        if rows.id.tolist() == own.id.tolist():
            kept[name] = rows
    return kept


def _with_kin(one: Predictions, index: Mapping[str, Any]) -> Predictions:
    """Return predictions that name kin, which those that an older version wrote do not."""
    from zoo.data.kin import kin_of

    if (one.kin != "").any():
        return one
    ids = set(one.id.tolist())
    return one.with_kin(kin_of(index, [key for key in index if index[key].get("id") in ids]))


def _beside(scores: Path, others: list[Path], split: str) -> list[Comparison]:
    """Compare this run with the others, for each target by its headline metric."""
    from zoo.compare import load
    from zoo.metrics.comparison import align, compare_targets
    from zoo.tasks import HEADLINE

    if not others:
        return []
    return compare_targets(
        align(load([scores, *others]), split, intersect=False), split, list(HEADLINE.values())
    )


def _structures(drawn: list[dict[str, Any]], metrics: Mapping[str, Any], score: str) -> str:
    """Return the section of the structures; equal colours are equal values in all of them."""
    from zoo.explanation.colours import LEGEND
    from zoo.reporting import viewer

    scales = _scales(drawn, metrics["targets"])
    text = "<h2>Structures</h2>"
    if any(name.startswith("gate") for name in scales):
        text += f"<p class=soft>Gates: {LEGEND}.</p>"
    return text + viewer.section(drawn, scales, [score])


def _scales(drawn: list[dict[str, Any]], targets: Mapping[str, Any]) -> dict[str, Scale]:
    """Return the colours of each column; a label has those of the prediction of its target."""
    from dataclasses import replace

    from zoo.reporting.scales import of_column, of_values

    def every(*names: str) -> list[float | None]:
        return [x for one in drawn for name in names for x in one["values"].get(name, [])]

    found = {}
    for name in dict.fromkeys(name for one in drawn for name in one["values"]):
        kind, _, target = name.partition(" of ")
        if kind not in ("prediction", "label"):
            found[name] = of_column(name, every(name))
            continue
        facts = targets[target or next(iter(targets))]
        both = every(*(name.replace(kind, one, 1) for one in ("prediction", "label")))
        scale = of_values(facts["kind"], both, facts.get("threshold"))
        found[name] = scale if kind == "prediction" else replace(scale, threshold=None)
    return found


def _drawn(
    found: Run, store: Store, held: Mapping[str, Predictions], each: Scores, keys: list[str]
) -> list[dict[str, Any]]:
    """Return the chosen proteins in the viewer's form."""
    from zoo.explanation.exchanges import look, weighs
    from zoo.prediction.ensemble import load_ensemble
    from zoo.reporting.viewer import describe

    model = load_ensemble(found.folder, "cpu").models[0]
    drawn = []
    for key in keys:
        protein = store[key].protein
        columns: dict[str, Any] = {}
        for name, rows in held.items():
            suffix = f" of {name}" if len(held) > 1 else ""
            columns |= _values(rows.take(rows.id == key), len(protein), suffix)
        if weighs(model):
            columns |= look(model, protein, model.batch([protein])).columns
        if columns:
            drawn.append(describe(protein, columns, key, [each.values[key]]))
    return drawn


def _values(rows: Predictions, length: int, suffix: str) -> dict[str, Any]:
    """Return prediction and label of each residue; nothing for targets of whole proteins."""
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
