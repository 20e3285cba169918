"""Plots of a study, as matplotlib figures of one panel each, in the look of `zoo report`."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import optuna
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.tri import Triangulation
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.importance import FanovaImportanceEvaluator, PedAnovaImportanceEvaluator
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from hpo.queue import AFTER, DEFAULT
from hpo.study import MADE_FOR
from zoo.reporting.style import BLUE, GREY, ORANGE, THIRD, legend, panel, whole

FEWEST = 4
"""Minimum number of trials with a value for which importances are computed."""
PLATE = {"boxstyle": "square,pad=0.05", "facecolor": "white", "edgecolor": "none", "alpha": 0.8}
"""Behind words that lines run across."""
TOLD = 14
"""Maximum number of layers that each have a tick with the number of its trials."""
MOST = 500
"""Maximum number of trials for fANOVA, whose time grows faster than their number."""


def complete(study: Study) -> list[FrozenTrial]:
    """Return the trials that ended with values."""
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def history(study: Study) -> Figure:
    """Draw the score of each trial and the best so far; crosses are pruned trials."""
    figure, axes = panel(height=3.9)
    done = complete(study)
    numbers, values = [t.number for t in done], [t.values[0] for t in done]
    axes.scatter(numbers, values, s=18, color=BLUE, label="ended", zorder=3)
    axes.step(numbers, np.maximum.accumulate(np.array(values, float)), where="post", color=ORANGE,
              label="best so far")  # fmt: skip
    pruned = [t for t in study.get_trials(deepcopy=False, states=(TrialState.PRUNED,))
              if t.intermediate_values]  # fmt: skip
    if pruned:
        best = [max(t.intermediate_values.values()) for t in pruned]
        axes.scatter([t.number for t in pruned], best, s=14, marker="x", color=GREY,
                     label="pruned: best so far in it")  # fmt: skip
    own = [t for t in done if t.user_attrs.get(DEFAULT)]
    if own:
        axes.scatter([t.number for t in own], [t.values[0] for t in own], s=70, facecolors="none",
                     edgecolors="black", label="the config itself", zorder=4)  # fmt: skip
    axes.set(xlabel="trial", ylabel="validation score")
    whole(axes.xaxis)
    legend(axes)
    return figure


def layers(study: Study) -> dict[str, Figure]:
    """Draw for each branch the scores of trials that exchange after each of its layers."""
    done = [t for t in complete(study) if t.user_attrs.get(AFTER)]
    names = ("language model", "graph network")
    return {name.replace(" ", "_"): _layers(done, side, name)
            for side, name in enumerate(names) if done}  # fmt: skip


def _layers(done: Sequence[FrozenTrial], side: int, name: str) -> Figure:
    figure, axes = panel(height=3.9)
    scores: dict[int, list[float]] = defaultdict(list)
    for trial in done:
        for layer in {pair[side] for pair in trial.user_attrs[AFTER]}:
            scores[layer].append(trial.values[0])
    depths = sorted(scores)
    for layer in depths:
        axes.scatter([layer] * len(scores[layer]), scores[layer], s=12, color=BLUE, alpha=0.45)
    axes.plot(depths, [float(np.mean(scores[layer])) for layer in depths], "o-", color=ORANGE,
              label="mean of those that exchange here")  # fmt: skip
    mean = float(np.mean([t.values[0] for t in done]))
    axes.axhline(mean, color=GREY, linestyle="--", label="mean of all")
    axes.set(xlabel=f"layer of the {name}", ylabel="validation score")
    if len(depths) <= TOLD:
        axes.set_xticks(depths, [f"{layer}\n({len(scores[layer])})" for layer in depths])
        axes.set_xlim(depths[0] - 0.5, depths[-1] + 0.5)
    else:
        whole(axes.xaxis)
    legend(axes)
    return figure


def importances(study: Study) -> Figure | None:
    """Draw the importance of each value by two methods; None if no method finds any."""
    if len(complete(study)) < FEWEST:
        return None
    found = {name: values for name, values in _importances(study).items() if any(values.values())}
    if not found:
        return None
    names = sorted({n for values in found.values() for n in values},
                   key=lambda n: max(values.get(n, 0.0) for values in found.values()))  # fmt: skip
    figure, axes = panel(height=1.5 + 0.28 * len(names))
    at = np.arange(len(names))
    for shift, colour, (method, values) in zip((0.2, -0.2), (BLUE, ORANGE), found.items(),
                                               strict=False):  # fmt: skip
        axes.barh(at + shift, [values.get(n, 0.0) for n in names], 0.38, color=colour, label=method)
    axes.set_yticks(at, names, fontsize=9)
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.set(xlabel="share of importance")
    legend(axes)
    return figure


def _importances(study: Study) -> dict[str, dict[str, float]]:
    """Return the importance of each value by the methods that can tell it."""
    found: dict[str, dict[str, float]] = {}
    methods = (
        ("PED-ANOVA", PedAnovaImportanceEvaluator(), study),
        ("fANOVA", FanovaImportanceEvaluator(seed=0), few(study)),
    )
    for name, evaluator, seen in methods:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # few trials make it inexact, as the page says
                found[name] = optuna.importance.get_param_importances(
                    seen, evaluator=evaluator, target=_target(study)
                )
        except (ValueError, RuntimeError):  # all values equal, or no parameter in common
            continue
    return found


def few(study: Study) -> Study:
    """Return a study with at most `MOST` of the trials that ended with values."""
    done = complete(study)
    if len(done) <= MOST:
        return study
    chosen = np.random.default_rng(0).choice(len(done), MOST, replace=False)
    made = optuna.create_study(directions=study.directions)
    made.add_trials([done[at] for at in sorted(chosen)])
    return made


def slices(study: Study) -> dict[str, Figure]:
    """Draw the score against each searched value that at least two trials have."""
    done = complete(study)
    found = {}
    for name in sorted({name for trial in done for name in trial.params}):
        own = [t for t in done if name in t.params]
        if len(own) > 1:
            figure, axes = panel(THIRD, 2.4)
            distribution = own[0].distributions[name]
            places = _places([t.params[name] for t in own], distribution)
            axes.scatter(places, [t.values[0] for t in own], s=12, color=BLUE, alpha=0.6)
            axes.set_title(name, fontsize=9.5)
            _scaled(axes, axes.xaxis, distribution)
            found[name.replace(".", "_")] = figure
    return found


def _places(values: Sequence[Any], distribution: BaseDistribution) -> list[float]:
    """Return where values are on an axis: at themselves, or at the number of the choice."""
    if isinstance(distribution, CategoricalDistribution):
        return [float(distribution.choices.index(value)) for value in values]
    return [float(value) for value in values]


def _ticks(distribution: BaseDistribution) -> tuple[list[float], list[str]]:
    """Return places and words of the ends of a searched range, and of its middle or its choices."""
    if isinstance(distribution, CategoricalDistribution):
        return [*map(float, range(len(distribution.choices)))], [*map(str, distribution.choices)]
    low, high = _ends(distribution)
    middle = (low * high) ** 0.5 if getattr(distribution, "log", False) else (low + high) / 2
    if isinstance(distribution, IntDistribution):
        places = sorted({low, float(round(middle)), high})
        return places, [f"{place:.0f}" for place in places]
    return [low, middle, high], [f"{place:.2g}" for place in (low, middle, high)]


def _ends(distribution: Any) -> tuple[float, float]:
    if isinstance(distribution, CategoricalDistribution):
        return 0.0, float(len(distribution.choices) - 1)
    return float(distribution.low), float(distribution.high)


def _scaled(axes: Axes, axis: Axis, distribution: BaseDistribution) -> None:
    """Show the whole searched range along an axis: counts at whole numbers, and choices by name."""
    if getattr(distribution, "log", False):
        (axes.set_xscale if axis is axes.xaxis else axes.set_yscale)("log")
        axes.minorticks_off()
    places, words = _ticks(distribution)
    if isinstance(distribution, IntDistribution) and not distribution.log:
        whole(axis)
    else:
        axis.set_ticks(places, words, fontsize=9)
    low, high = (_share(end, distribution) for end in (places[0], places[-1]))
    room = 0.06 * (high - low) or 0.5
    ends = (_value(low - room, distribution), _value(high + room, distribution))
    (axes.set_xlim if axis is axes.xaxis else axes.set_ylim)(*ends)


def _share(place: float, distribution: BaseDistribution) -> float:
    """Return the place as it is drawn: its logarithm on a logarithmic axis."""
    return float(np.log(place)) if getattr(distribution, "log", False) else place


def _value(share: float, distribution: BaseDistribution) -> float:
    return float(np.exp(share)) if getattr(distribution, "log", False) else share


def pareto(study: Study) -> dict[str, Figure]:
    """Draw the first objective against each other one, with the Pareto front marked."""
    names = study.user_attrs[MADE_FOR]["objectives"]
    return {name: _pareto(study, at, names[0], name)
            for at, name in enumerate(names) if at}  # fmt: skip


def _pareto(study: Study, at: int, first: str, name: str) -> Figure:
    figure, axes = panel()
    best = {t.number for t in study.best_trials}
    for trial in complete(study):
        front = trial.number in best
        place = trial.values[at], trial.values[0]
        axes.scatter(*place, s=36 if front else 14, color=ORANGE if front else GREY)
        if front:
            axes.annotate(str(trial.number), place, fontsize=8, xytext=(4, 3),
                          textcoords="offset points")  # fmt: skip
    axes.set(xlabel=f"{name} (ms per protein)" if name == "latency" else name, ylabel=first)
    if name == "parameters":
        whole(axes.xaxis)
    return figure


def parallel(study: Study) -> Figure | None:
    """Draw each trial as a line through the values that all trials share, down to its score.

    The better a trial, the darker its line; that of the best one is orange.
    """
    done = sorted(complete(study), key=_first)
    names = _shared(study)
    if len(names) < 2 or len(done) < 2:
        return None
    ways = {name: done[0].distributions[name] for name in names}
    scores = np.array([_first(trial) for trial in done])
    shares = [_along([t.params[name] for t in done], one) for name, one in ways.items()]
    shares.append(_from_low_to_high(scores, scores.min(), scores.max()))
    figure, axes = panel(height=0.9 + 0.55 * len(shares))
    rows = [-float(at) for at in range(len(shares))]
    for at, line in enumerate(np.array(shares).T):
        last, dark = at == len(done) - 1, (at + 1) / len(done)
        alpha = 1.0 if last else 0.1 + 0.4 * dark
        axes.plot(line, rows, color=ORANGE if last else BLUE, alpha=alpha, lw=2 if last else 1)
    ends = [_ticks(one) for one in ways.values()]
    told = [(_along_places(places, one), words)
            for (places, words), one in zip(ends, ways.values(), strict=True)]  # fmt: skip
    told.append((np.array([0.0, 1.0]), [f"{score:.3g}" for score in (scores[0], scores[-1])]))
    for row, (places, words) in zip(rows, told, strict=True):
        axes.axhline(row, color=GREY, linewidth=0.8, zorder=0)
        for place, word in zip(places, words, strict=True):
            axes.annotate(word, (place, row), (0, -3), textcoords="offset points", fontsize=8,
                          ha="center", va="top", bbox=PLATE)  # fmt: skip
    axes.set_yticks(rows, [*names, "score"], fontsize=9)
    axes.set_xticks([])
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.tick_params(length=0)
    axes.set(xlim=(-0.06, 1.06), ylim=(rows[-1] - 0.5, 0.3))
    return figure


def _along(values: Sequence[Any], distribution: BaseDistribution) -> NDArray[np.float64]:
    """Return values as shares of the searched range, from 0 to 1."""
    return _along_places(_places(values, distribution), distribution)


def _along_places(places: Sequence[float], distribution: BaseDistribution) -> NDArray[np.float64]:
    low, high = (_share(end, distribution) for end in _ends(distribution))
    return _from_low_to_high(np.array([_share(one, distribution) for one in places]), low, high)


def _from_low_to_high(values: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    """Return 0 for what is low, 1 for what is high; a half if both are the same."""
    return (values - low) / (high - low) if high > low else np.full(len(values), 0.5)


def contour(study: Study, first: str, second: str) -> Figure | None:
    """Draw the score as contours over two searched values; None without any area to draw."""
    both = [t for t in complete(study) if {first, second} <= t.params.keys()]
    points = [(t.params[first], t.params[second]) for t in both]
    if len(both) < FEWEST or min(len(set(values)) for values in zip(*points, strict=True)) < 2:
        return None
    x, y = (both[0].distributions[name] for name in (first, second))
    places = np.array([[_share(_places([a], x)[0], x), _share(_places([b], y)[0], y)]
                       for a, b in points])  # fmt: skip
    scores = np.array([_first(trial) for trial in both])
    figure, axes = panel(height=3.9)
    try:
        tiles = Triangulation(*places.T)
    except (RuntimeError, ValueError):  # all points on one line
        return None
    across, up = ([_value(one, way) for one in column]
                  for column, way in ((tiles.x, x), (tiles.y, y)))  # fmt: skip
    drawn = Triangulation(across, up, tiles.triangles)
    filled = axes.tricontourf(drawn, scores, levels=10, cmap="Blues")
    axes.scatter(across, up, s=12, color="black")
    for axis, way in ((axes.xaxis, x), (axes.yaxis, y)):
        _scaled(axes, axis, way)
    axes.set(xlabel=first, ylabel=second)
    figure.colorbar(filled, ax=axes, label="score").ax.tick_params(labelsize=9)
    return figure


def _target(study: Study) -> Callable[[FrozenTrial], float] | None:
    return _first if len(study.directions) > 1 else None


def _first(trial: FrozenTrial) -> float:
    return float(trial.values[0])


def _shared(study: Study) -> list[str]:
    names = [set(trial.params) for trial in complete(study)]
    return sorted(set.intersection(*names)) if names else []
