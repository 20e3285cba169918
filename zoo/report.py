"""One page about a run: how well it does, on what, and where it looks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.cli import console, err_console, run
from zoo.completion import names
from zoo.errors import ConfigError, unknown

if TYPE_CHECKING:
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
) -> None:
    """Write one HTML page about a run that was evaluated; it needs no network to be opened.

    Scores beside baselines, curves, calibration, scores by length and by kinship to the training
    data, best and worst cases, structures in colour. Gates are those of the first model.

    Example: python -m zoo.report runs/ppbs
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
        text = _page(found, data or found.data, scores, protein or [])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    size = path.stat().st_size / 1e6
    console.print(f"written: {path} ({size:.1f} MB)", highlight=False, soft_wrap=True)


def _page(found: Run, data: Path, scores: Path, asked: list[str]) -> str:
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
    predictions = read_predictions(scores)
    check_data(found, data)
    body = [sections.head(found, metrics)]
    for name, verdict in metrics["targets"].items():
        body.append(sections.scores(name, verdict))
    body.append(sections.curves(found))
    target = next(iter(metrics["targets"]))
    held = predictions[target].take(predictions[target].split == metrics["split"])
    each = proteins.score_each(held)
    with Store(data / STORE) as store:
        index = store.index()
        for key in asked:
            if key not in each.values:
                raise unknown("protein with a score (--protein)", key, each.values)
        sequences = {key: index[key]["sequences"] for key in index if "sequences" in index[key]}
        identity = proteins.nearest_identity(found, sequences, list(each.values))
        lengths = {key: sum(map(len, sequences[key])) for key in each.values}
        drawn = _drawn(found, store, held, each, proteins.chosen(each, asked))
    body += [
        sections.calibration(held),
        sections.bins("By kinship", "Identity to the nearest sequence that the model was trained "
                      "on: identical residues over the shorter chain. The search, by shared words, "
                      "misses some kin below about 35 %.", "nearest",
                      each.name, proteins.by_identity(each, identity)),
        sections.bins("By length", "Residues of the protein.", "residues", each.name,
                      proteins.by_length(each, sequences)),
        viewer.section(drawn) if drawn else "",
        sections.cases(each, lengths, identity),
    ]  # fmt: skip
    return page(f"{found.folder.resolve().name}: report", "".join(body), viewer.STYLE)


def _drawn(
    found: Run, store: Store, held: Predictions, each: Scores, keys: list[str]
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
        columns = _values(held.take(held.id == key), len(protein))
        if weighs(model):
            columns |= look(model, protein, model.batch([protein])).columns
        title = f"{key} ({each.name} {each.values[key]:.3f})"
        one = describe(protein, title, columns) if columns else None
        if one is not None:
            drawn[key] = one
    return drawn


def _values(rows: Predictions, length: int) -> dict[str, Any]:
    """Return prediction and label of each residue; nothing where a protein has one of all."""
    import numpy as np

    if rows.target.level != "residue" or rows.y_pred.ndim > 1:
        return {}
    found = {}
    for name, values in (("prediction", rows.y_pred), ("label", rows.y_true)):
        found[name] = np.full(length, np.nan)
        found[name][rows.residue] = values
    return found


if __name__ == "__main__":
    run(report)
