"""Trials until a planted fusion is found: TPE as `hpo` sets it up, against random search.

    python benchmarks/planted_search.py [--seeds 20] [--trials 300] [--out results/FILE.json]

It takes about half an hour; `make figures` draws what it found. Nothing is trained: the score is a
function of what the shipped `fusion` space draws for ESM-2 650M and GVP, so that only the search is
measured. Both samplers get the same seeds, and the same noise in the same trial.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import optuna
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import BaseTrial
from scipy.stats import wilcoxon

from hpo.checking import depths, relevant
from hpo.space import load_space
from hpo.study import sampler
from zoo.settings.config import load_config

CONFIG = "ppbs_esm2_650m_gvp_local"
SEQ, STRUCT, GATE_WIDTH = 20, 2, 32
"""The planted optimum: one exchange at these layers, and local fusion's gate of this width."""
SEQ_SD, STRUCT_SD, OCTAVES_SD = 5.0, 1.0, 1.0
"""How far from it, in layers and in doublings of the width, the score falls to 61 percent."""
COST = 0.02
"""Of every exchange after the first."""
NOISE = 0.02
"""Standard deviation of what is added to each trial, as a validation score has it."""
CURVE = 150
"""Trials that every search goes on for, found or not, so that the scores can be compared."""

Fusion = Mapping[str, Any]
SAMPLERS: Mapping[str, Callable[[int], BaseSampler]] = {
    "TPE": sampler, "random": lambda seed: RandomSampler(seed=seed),
}  # fmt: skip


class Run(NamedTuple):
    """What one search came to.

    Attributes:
        found: number of the trial, from 1, that found the optimum; None if none did.
        best: the highest score without noise up to each trial.
    """

    found: int | None
    best: np.ndarray


def score(fusion: Fusion) -> float:
    """Return the score without noise: 0.3 to 1, and 0.7 at most with global fusion."""
    pairs = fusion["after"]
    placed = max(_bump(k - SEQ, SEQ_SD) * _bump(j - STRUCT, STRUCT_SD) for k, j in pairs)
    gate = 0.0
    if fusion["name"] == "local":
        gate = _bump(np.log2(fusion["args"]["gate_width"] / GATE_WIDTH), OCTAVES_SD)
    return 0.4 + 0.3 * placed + 0.3 * gate - COST * (len(pairs) - 1)


def _bump(distance: float, sd: float) -> float:
    return float(np.exp(-0.5 * (distance / sd) ** 2))


def is_found(fusion: Fusion) -> bool:
    """Return whether a fusion is the planted one, but for what nobody would go on to tune."""
    if fusion["name"] != "local":
        return False
    factor = fusion["args"]["gate_width"] / GATE_WIDTH
    placed = any(abs(k - SEQ) <= 2 and j == STRUCT for k, j in fusion["after"])
    return placed and 1 / 1.25 <= factor <= 1.25


def drawer() -> Callable[[BaseTrial], Fusion]:
    """Return what draws the fusion of a trial from the shipped space."""
    config = load_config(CONFIG)
    space, base = relevant(load_space("fusion"), config), config.to_dict()
    return lambda trial: space.draw(trial, base, depths)["fusion"]


def search(
    draw: Callable[[BaseTrial], Fusion], name: str, seed: int, trials: int, least: int = 0
) -> Run:
    """Search until the optimum is found, for `least` trials at least and `trials` at most."""
    study = optuna.create_study(sampler=SAMPLERS[name](seed), direction="maximize")
    found, scores = None, list[float]()
    while len(scores) < (trials if found is None else min(least, trials)):
        trial = study.ask()
        fusion = draw(trial)
        scores.append(score(fusion))
        noise = np.random.default_rng((seed, trial.number)).normal(0.0, NOISE)
        study.tell(trial, scores[-1] + noise)
        if found is None and is_found(fusion):
            found = len(scores)
    return Run(found, np.maximum.accumulate(scores))


def counts(runs: Sequence[Run], trials: int) -> np.ndarray:
    """Return the trials that each search took; those that found nothing count as `trials`."""
    return np.array([trials if run.found is None else run.found for run in runs])


def table(runs: Mapping[str, Sequence[Run]], trials: int) -> str:
    """Return the trials of each sampler, and how they compare seed by seed."""
    lines = ["sampler  median  quartiles  found"]
    for name, own in runs.items():
        low, middle, high = np.quantile(counts(own, trials), [0.25, 0.5, 0.75])
        found = sum(run.found is not None for run in own)
        quartiles = f"{low:.0f}-{high:.0f}"
        lines.append(f"{name:7s}  {middle:6.1f}  {quartiles:>9s}  {found}/{len(own)}")
    tpe, other = (counts(runs[name], trials) for name in ("TPE", "random"))
    lines += [
        f"TPE sooner with {sum(tpe < other)} seeds, random with {sum(tpe > other)}, "
        f"neither with {sum(tpe == other)}",
        f"Wilcoxon signed-rank, two-sided: p = {wilcoxon(tpe, other).pvalue:.2g}",
        f"median of TPE's trials / random's: {np.median(tpe / other):.2f}",
        f"(Not found counts as {trials}.)",
    ]
    return "\n".join(lines)


def outcome(runs: Mapping[str, Sequence[Run]], trials: int) -> dict[str, Any]:
    """Return what is drawn: the trial that found it, and quartiles of the best score so far."""
    found: dict[str, Any] = {"trials": trials, "samplers": {}}
    for name, own in runs.items():
        best = np.stack([run.best[: min(CURVE, trials)] for run in own])
        quartiles = np.quantile(best, [0.25, 0.5, 0.75], axis=0).round(4).tolist()
        found["samplers"][name] = {"found": [run.found for run in own], "best": quartiles}
    return found


def plot(found: Mapping[str, Any], path: Path) -> None:
    """Draw the share of searches that have found it, and the best score, over trials."""
    from matplotlib.figure import Figure

    trials = found["trials"]
    figure = Figure(figsize=(8, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for name, own in found["samplers"].items():
        times = np.sort([at for at in own["found"] if at is not None])
        share = np.arange(len(times) + 1) / len(own["found"])
        steps = np.concatenate([[0], times, [trials]])
        left.step(steps, [*share, share[-1]], where="post", linewidth=2, label=name)
        low, middle, high = own["best"]
        over = np.arange(1, len(middle) + 1)
        right.plot(over, middle, linewidth=2, label=name)
        right.fill_between(over, low, high, alpha=0.2, linewidth=0)
    left.set(xlabel="trials", ylabel="share of seeds", xlim=(0, trials), ylim=(0, 1.02))
    left.set_title("planted fusion found", fontsize=11)
    right.set(xlabel="trials", ylabel="score without noise", xlim=(0, None), ylim=(None, 1.01))
    right.set_title("best so far: median, quartiles", fontsize=11)
    right.legend(frameon=False, loc="lower right")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


def main() -> None:
    """Search, print and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--trials", type=int, default=300)
    parser.add_argument("--out", type=Path, default=Path("results/planted_search.json"))
    given = parser.parse_args()
    draw = drawer()
    runs: dict[str, list[Run]] = {name: [] for name in SAMPLERS}
    for seed in range(given.seeds):
        for name, own in runs.items():
            own.append(search(draw, name, seed, given.trials, CURVE))
        told = ", ".join(f"{name} {own[-1].found or 'not found'}" for name, own in runs.items())
        print(f"seed {seed}: {told}", flush=True)
    print(table(runs, given.trials))
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(outcome(runs, given.trials)) + "\n")


if __name__ == "__main__":
    main()
