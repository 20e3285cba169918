"""Plots of a study, as matplotlib figures."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import optuna
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from optuna.importance import FanovaImportanceEvaluator, PedAnovaImportanceEvaluator
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from hpo.queue import AFTER, DEFAULT
from hpo.study import MADE_FOR

BLUE, ORANGE, GREY = "#2563a8", "#d9822b", "#8a8f98"
FEWEST = 4
"""Minimum number of trials with a value for which importances are computed."""
MOST = 500
"""Maximum number of trials for fANOVA, whose time grows faster than their number."""


def complete(study: Study) -> list[FrozenTrial]:
    """Return the trials that ended with values."""
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def _figure(width: float, height: float, columns: int = 1) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(width, height), dpi=130, layout="constrained")
    axes = [figure.add_subplot(1, columns, at + 1) for at in range(columns)]
    for own in axes:
        own.spines[["top", "right"]].set_visible(False)
    return figure, axes


def history(study: Study) -> Figure:
    """Draw the score of each trial and the best so far; crosses are pruned trials."""
    figure, (axes,) = _figure(8, 3.6)
    done = complete(study)
    numbers, values = [t.number for t in done], [t.values[0] for t in done]
    axes.scatter(numbers, values, s=18, color=BLUE, label="ended", zorder=3)
    axes.step(numbers, np.maximum.accumulate(np.array(values, float)), where="post", color=ORANGE,
              label="best so far")  # fmt: skip
    pruned = [t for t in study.get_trials(deepcopy=False, states=(TrialState.PRUNED,))
              if t.intermediate_values]  # fmt: skip
    axes.scatter([t.number for t in pruned], [max(t.intermediate_values.values()) for t in pruned],
                 s=14, marker="x", color=GREY, label="pruned: best so far in it")  # fmt: skip
    own = [t for t in done if t.user_attrs.get(DEFAULT)]
    axes.scatter([t.number for t in own], [t.values[0] for t in own], s=70, facecolors="none",
                 edgecolors="black", label="the config itself", zorder=4)  # fmt: skip
    axes.set(xlabel="trial", ylabel="validation score")
    axes.legend(frameon=False, fontsize=8)
    return figure


def layers(study: Study) -> Figure | None:
    """Draw, for each layer of both branches, the scores of trials that exchange after it."""
    done = [t for t in complete(study) if t.user_attrs.get(AFTER)]
    if not done:
        return None
    figure, panels = _figure(9, 3.6, 2)
    mean = float(np.mean([t.values[0] for t in done]))
    for axes, side, name in zip(panels, (0, 1), ("language model", "graph network"), strict=True):
        scores: dict[int, list[float]] = defaultdict(list)
        for trial in done:
            for layer in {pair[side] for pair in trial.user_attrs[AFTER]}:
                scores[layer].append(trial.values[0])
        depths = sorted(scores)
        for layer in depths:
            axes.scatter([layer] * len(scores[layer]), scores[layer], s=12, color=BLUE, alpha=0.45)
        axes.plot(depths, [float(np.mean(scores[layer])) for layer in depths], "o-", color=ORANGE,
                  label="mean of those that exchange here")  # fmt: skip
        axes.axhline(mean, color=GREY, linestyle="--", label="mean of all")
        axes.set(xlabel=f"layer of the {name}", ylabel="validation score")
        if len(depths) <= 14:
            axes.set_xticks(depths, [f"{layer}\n({len(scores[layer])})" for layer in depths])
    lines, names = panels[0].get_legend_handles_labels()
    figure.legend(lines, names, loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    return figure


def importances(study: Study) -> Figure | None:
    """Draw the importance of each value by two methods; None if there are too few trials."""
    if len(complete(study)) < FEWEST:
        return None
    found: dict[str, dict[str, float]] = {}
    target = _first if len(study.directions) > 1 else None
    methods = (
        ("PED-ANOVA", PedAnovaImportanceEvaluator(), study),
        ("fANOVA", FanovaImportanceEvaluator(seed=0), few(study)),
    )
    for name, evaluator, seen in methods:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # few trials make it inexact, as the page says
                found[name] = optuna.importance.get_param_importances(
                    seen, evaluator=evaluator, target=target
                )
        except (ValueError, RuntimeError):  # all values equal, or no parameter in common
            continue
    found = {name: values for name, values in found.items() if values}
    if not found:
        return None
    names = sorted({n for values in found.values() for n in values},
                   key=lambda n: max(values.get(n, 0.0) for values in found.values()))  # fmt: skip
    figure, (axes,) = _figure(8, 1.2 + 0.28 * len(names))
    at = np.arange(len(names))
    for shift, colour, (method, values) in zip((0.2, -0.2), (BLUE, ORANGE), found.items(),
                                               strict=False):  # fmt: skip
        axes.barh(at + shift, [values.get(n, 0.0) for n in names], 0.38, color=colour, label=method)
    axes.set_yticks(at, names, fontsize=8)
    axes.set(xlabel="share of importance")
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    return figure


def few(study: Study) -> Study:
    """Return a study with at most `MOST` of the trials that ended with values."""
    done = complete(study)
    if len(done) <= MOST:
        return study
    chosen = np.random.default_rng(0).choice(len(done), MOST, replace=False)
    made = optuna.create_study(directions=study.directions)
    made.add_trials([done[at] for at in sorted(chosen)])
    return made


def slices(study: Study) -> Figure | None:
    """Draw the score against each value that was searched."""
    done = complete(study)
    names = sorted({name for trial in done for name in trial.params})
    if not names:
        return None
    columns = min(4, len(names))
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(2.5 * columns, 2.1 * rows), dpi=130, layout="constrained")
    for at, name in enumerate(names):
        axes = figure.add_subplot(rows, columns, at + 1)
        axes.spines[["top", "right"]].set_visible(False)
        own = [t for t in done if name in t.params]
        _scatter(axes, [t.params[name] for t in own], [t.values[0] for t in own],
                 own[0].distributions[name])  # fmt: skip
        axes.set_title(name, fontsize=8)
        axes.tick_params(labelsize=7)
    return figure


def _scatter(axes: Axes, x: Sequence[Any], y: Sequence[float], distribution: Any) -> None:
    if isinstance(distribution, optuna.distributions.CategoricalDistribution):
        axes.scatter([distribution.choices.index(v) for v in x], y, s=10, color=BLUE, alpha=0.6)
        axes.set_xticks(range(len(distribution.choices)), map(str, distribution.choices))
        return
    axes.scatter(x, y, s=10, color=BLUE, alpha=0.6)
    if isinstance(distribution, optuna.distributions.IntDistribution):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if getattr(distribution, "log", False):
        low, high = float(distribution.low), float(distribution.high)
        ticks = [low, (low * high) ** 0.5, high]
        axes.set_xscale("log")
        axes.set_xticks(ticks, [f"{tick:.2g}" if tick < 100 else f"{tick:.0f}" for tick in ticks])
        axes.minorticks_off()


def pareto(study: Study) -> Figure | None:
    """Draw the first objective against each other one, with the Pareto front marked."""
    if len(study.directions) < 2:
        return None
    names = study.user_attrs[MADE_FOR]["objectives"]
    figure, panels = _figure(4.5 * (len(names) - 1), 3.6, len(names) - 1)
    best = {t.number for t in study.best_trials}
    for axes, at in zip(panels, range(1, len(names)), strict=True):
        for trial in complete(study):
            front = trial.number in best
            axes.scatter(trial.values[at], trial.values[0], s=36 if front else 14,
                         color=ORANGE if front else GREY)  # fmt: skip
            if front:
                axes.annotate(str(trial.number), (trial.values[at], trial.values[0]), fontsize=7)
        unit = " (ms per protein)" if names[at] == "latency" else ""
        axes.set(xlabel=f"{names[at]}{unit}", ylabel=names[0])
    return figure


def of_optuna(draw: Callable[..., Any], study: Study, **given: Any) -> Figure | None:
    """Return one of Optuna's own figures; None if Optuna cannot draw it."""
    from matplotlib import pyplot

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            axes = draw(study, **given)
        except (ValueError, RuntimeError):
            return None
    first = np.asarray(axes).flat[0]
    first.set_title("")  # the page has its own title
    figure: Figure = first.figure
    pyplot.close(figure)
    return figure


def parallel(study: Study) -> Figure | None:
    """Draw parallel coordinates of the values that all trials share."""
    from optuna.visualization.matplotlib import plot_parallel_coordinate

    names = _shared(study)
    target = _first if len(study.directions) > 1 else None
    if len(names) < 2:
        return None
    figure = of_optuna(plot_parallel_coordinate, study, params=names, target=target)
    if figure is not None:
        figure.set_size_inches(1.8 + 1.4 * len(names), 4.5)
    return figure


def contour(study: Study, first: str, second: str) -> Figure | None:
    """Draw the score as contours over two searched values."""
    from optuna.visualization.matplotlib import plot_contour

    both = [t for t in complete(study) if {first, second} <= t.params.keys()]
    if len(both) < FEWEST:
        return None
    target = _first if len(study.directions) > 1 else None
    figure = of_optuna(plot_contour, study, params=[first, second], target=target)
    if figure is not None:
        figure.set_size_inches(5.5, 4.2)
    return figure


def _first(trial: FrozenTrial) -> float:
    return float(trial.values[0])


def _shared(study: Study) -> list[str]:
    names = [set(trial.params) for trial in complete(study)]
    return sorted(set.intersection(*names)) if names else []
