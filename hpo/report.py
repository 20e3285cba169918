"""Write the results of a search as one HTML page, which needs no network, and as pictures."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.command.cli import run
from zoo.command.say import say
from zoo.reporting.page import figures as figures_of
from zoo.reporting.page import page, picture, png_of
from zoo.system import reading
from zoo.system.counting import counted
from zoo.system.files import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from optuna.study import Study
    from optuna.trial import FrozenTrial

PAGE = "index.html"
CONTOURS = (("local.width", "local.gate_width"), ("global.num_heads", "global.head_dim"))
"""Pairs of values whose scores are drawn as contours, if a space has both."""
HEADLINES = ("average_precision", "accuracy", "micro_average_precision", "rmse")
"""Test metrics in order of preference; the first that a run has is shown."""


def report(
    study: Annotated[
        str,
        typer.Argument(help="Storage of the study: a journal file, or the address of a database."),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the page, the pictures and best.yaml.")],
    name: Annotated[
        str | None, typer.Option(help="Name of the study, if the storage holds several.")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print the trials as JSON.")] = False,
) -> None:
    """Write a report of a study, finished or not.

    Example: python -m hpo.report study.log --out report
    """
    from hpo.study import load_study

    found = load_study(study, name)
    page = write_report(found, out)
    if json_:
        print(json.dumps([_row(trial) for trial in _placed(found)], indent=2))
        return
    say(f"wrote {page}")


def write_report(study: Study, place: Path) -> Path:
    """Write index.html, its pictures and best.yaml into a folder; return the path of the page."""
    place.mkdir(parents=True, exist_ok=True)
    sections = []
    for key, title, caption, drawn in _figures(study):
        plots = {name: png_of(figure) for name, figure in drawn.items()}
        for name, data in plots.items():
            (place / f"{key}{name and '_'}{name}.png").write_bytes(data)
        if plots:
            sections.append(picture(title, caption, *plots.values()))
    results = _results(study)
    best = _best(study, place)
    body = "".join([_head(study), _retrained(results), *sections, _table(study), best])
    path = place / PAGE
    write_whole(path, page(study.study_name, body))
    return path


def _figures(study: Study) -> Iterator[tuple[str, str, str, dict[str, Figure]]]:
    """Yield the name, title, caption and figures of each section; those of one have no name."""
    from hpo import figures

    several = len(study.directions) > 1
    made_for = study.user_attrs.get("made_for", {})
    if not figures.complete(study):
        return
    if several:
        yield ("pareto", "Pareto front", "No other trial is better than an orange one in all "
               "objectives at once.", figures.pareto(study))  # fmt: skip
    else:
        yield ("history", "History", "Validation scores, trial by trial.",
               _one(figures.history(study)))  # fmt: skip
    yield ("layers", "Which layers help", "Each point is a trial that exchanges after the layer. "
           "Trials differ in more than this one layer, so a high mean is a hint, not a proof. The "
           "number of trials is in brackets. Layer 0 of the graph network is its input.",
           figures.layers(study))  # fmt: skip
    yield ("importance", "What the score depends on", "PED-ANOVA shows which values set the best "
           "trials apart, also those that only some trials have; fANOVA splits the variance over "
           f"values that all trials share, in a random {figures.MOST} trials at most.",
           _one(figures.importances(study)))  # fmt: skip
    yield ("slices", "Value by value", "Score against each searched value. exchange1.seq and "
           "exchange1.struct are the place of the last exchange among the layers that are free, "
           "from 0, the first of them, to 1, the last.", figures.slices(study))  # fmt: skip
    yield ("parallel", "Parallel coordinates", "Each trial is a line through the values that all "
           "trials share; the darker, the better, and the best is orange.",
           _one(figures.parallel(study)))  # fmt: skip
    for first, second in CONTOURS:
        if {first, second} <= set(made_for.get("space", {})):
            yield (f"contour_{first}_{second}".replace(".", "_"), f"{first} and {second}",
                   "Score over both values, interpolated between trials.",
                   _one(figures.contour(study, first, second)))  # fmt: skip


def _one(figure: Figure | None) -> dict[str, Figure]:
    return {} if figure is None else {"": figure}


def _placed(study: Study) -> list[FrozenTrial]:
    from hpo.queue import PLACE, has_ended

    return [trial for trial in study.get_trials(deepcopy=False)
            if PLACE in trial.user_attrs and has_ended(trial)]  # fmt: skip


def _head(study: Study) -> str:
    from hpo.queue import TRIALS, is_lost

    trials, made_for = _placed(study), study.user_attrs.get("made_for", {})
    states = [trial.state.name for trial in trials]
    lost = sum(map(is_lost, study.get_trials(deepcopy=False)))
    facts = {
        "trials ended": f"{len(trials)} of {study.user_attrs.get(TRIALS, len(trials))}",
        "with a value": states.count("COMPLETE"), "pruned": states.count("PRUNED"),
        "failed": states.count("FAIL"), "taken up again": lost,
    }  # fmt: skip
    if len(study.directions) == 1 and "COMPLETE" in states:
        facts["best score in the search"] = f"{max(t.value or 0 for t in trials if t.values):.4f}"
    config = made_for.get("config", {})
    told = (
        f"Task {config.get('task')}; objectives {', '.join(made_for.get('objectives', []))}; "
        f"pruner {made_for.get('pruner')}; data {made_for.get('inputs', '')[:12]}; in trials only: "
        f"{', '.join(made_for.get('in_trials', [])) or 'nothing'}. Scores are validation scores: "
        "the test split was not read by the search."
    )
    random = config.get("sequence", {}).get("weights") == "random"
    warned = "<p><b>The language model has random weights: it was never trained.</b></p>"
    return (
        f"<h1>{html.escape(study.study_name)}</h1><p class=soft>{html.escape(told)}</p>"
        f"{warned if random else ''}{figures_of(facts)}"
    )


def _results(study: Study) -> list[dict[str, Any]]:
    from hpo.retrain import RESULTS
    from hpo.study import OUT
    from zoo.system.files import read_json

    found = read_json(Path(study.user_attrs.get(OUT, "")) / RESULTS)
    return found if isinstance(found, list) else []


def _retrained(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return (
            "<h2>Trained again</h2><p>Not yet: the best trial of a search is partly lucky. "
            "zoo.search trains the best ones again on several seeds.</p>"
        )
    lines = []
    for row in rows:
        own = " (the config itself)" if row["default"] else ""
        half = "" if row["half_width"] is None else f" &plusmn; {row['half_width']:.4f}"
        searched = "" if row["search_score"] is None else f"{row['search_score']:.4f}"
        scores = ", ".join(f"{score:.4f}" for score in row["scores"])
        lines.append(f"<tr><td>{row['trial']}{own}</td><td class=n>{searched}</td><td class=n>"
                     f"{row['mean']:.4f}{half}</td><td class=n>{scores}</td><td class=n>"
                     f"{_test(Path(row['folder']))}</td></tr>")  # fmt: skip
    return (
        "<h2>Trained again</h2><p>Validation scores of the best trials and of the config that the "
        "search began with: the mean over seeds with its 95 % interval (Student's t). As they were "
        "chosen by such scores, only the test split, read once at the end, is unbiased.</p>"
        "<div class=scroll><table><tr><th>trial</th><th>in the search</th><th>trained again</th>"
        f"<th>seeds</th><th>test</th></tr>{''.join(lines)}</table></div>"
    )


def _test(folder: Path) -> str:
    """Return a retrained model's test score, or the command that computes it."""
    from zoo.system.files import read_json

    found = read_json(folder / "metrics.json")
    if not found:
        return f"python -m zoo.evaluate {html.escape(str(folder))}"
    (target, *_) = found["targets"].values()
    whole = next(p for p in target["parts"] if p["model"] == "model" and p["subset"] == "all")
    name = next((n for n in HEADLINES if n in whole["values"]), next(iter(whole["values"])))
    value = whole["values"][name]
    return f"{name} {value['value']:.4f} ({value['low']:.4f} .. {value['high']:.4f})"


def _row(trial: FrozenTrial) -> dict[str, Any]:
    from hpo.queue import AFTER, EPOCHS, REASON, SECONDS

    return {
        "trial": trial.number, "state": trial.state.name.lower(), "values": trial.values,
        "reason": trial.user_attrs.get(REASON), "epochs": trial.user_attrs.get(EPOCHS),
        "seconds": trial.user_attrs.get(SECONDS), "after": trial.user_attrs.get(AFTER),
        "params": trial.params,
    }  # fmt: skip


def _table(study: Study) -> str:
    lines = []
    for row in map(_row, _placed(study)):
        value = ", ".join(f"{x:.4g}" for x in row["values"] or [])
        after = " ".join(f"{k}:{j}" for k, j in row["after"] or [])
        params = ", ".join(f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
                           for name, value in row["params"].items()
                           if not name.startswith("exchange"))  # fmt: skip
        cells = (row["trial"], row["state"], value, row["epochs"], f"{row['seconds'] or 0:.0f}",
                 after, params, row["reason"] or "")  # fmt: skip
        lines.append("<tr>" + "".join(f"<td class=n>{html.escape(str(c))}</td>" if at < 6 else
                                      f"<td>{html.escape(str(c))}</td>"
                                      for at, c in enumerate(cells)) + "</tr>")  # fmt: skip
    names = ("trial", "state", "value", "epochs", "seconds", "exchanges", "values", "reason")
    head = "".join(f"<th>{name}</th>" for name in names)
    return (
        f"<h2>All trials</h2><details><summary>{counted(len(lines), 'trial')}, with the reasons of "
        "pruned and failed ones</summary><div class=scroll><table>"
        f"<tr>{head}</tr>{''.join(lines)}</table>"
        "</div></details>"
    )


def _best(study: Study, place: Path) -> str:
    """Write best.yaml next to the page, and return the section about it."""
    from hpo.retrain import BEST, as_yaml, config_of
    from hpo.study import MADE_FOR, OUT

    named = Path(study.user_attrs.get(OUT, "")) / BEST
    if named.is_file():
        text = reading.text(named)
    elif len(study.directions) == 1 and (best := study.best_trials):  # empty if none is in limits
        trial = best[0]
        text = as_yaml(
            config_of(study.user_attrs[MADE_FOR], trial),
            f"Trial {trial.number} of study {study.study_name}, the best of the search, score "
            f"{trial.value:.4f}. Not trained again yet: it may only have been lucky.",
        )
    else:
        return ""
    write_whole(place / BEST, text)
    return (
        f"<h2>The best config</h2><p>{BEST} is next to this page; <code>python -m zoo.train {BEST} "
        f"--data DIR --out RUN</code> trains it.</p><details><summary>show</summary><pre>"
        f"{html.escape(text)}</pre></details>"
    )


if __name__ == "__main__":
    run(report)
