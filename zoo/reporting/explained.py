"""The page of an explanation: one protein, in the colours of each column of its table."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

import numpy as np

from zoo.explanation.colours import LEGEND
from zoo.metrics.rows import Array
from zoo.prediction.answers import has_one, meaning
from zoo.prediction.ensemble import Estimate
from zoo.prediction.table import NONE, Thresholds
from zoo.proteins.protein import Protein
from zoo.reporting import viewer
from zoo.reporting.page import page
from zoo.reporting.scales import Scale, of_column, of_values
from zoo.tasks import Target

EXCHANGED = "_K_J is the exchange after layer K of the language model and J of the graph network."
MEANT = {
    "gate": f"Gates: {LEGEND}. gate{EXCHANGED}",
    "heard": f"Attention that a residue receives, 1 if even: heard{EXCHANGED}",
    "crossed": f"Share of its attention that goes to the other branch: crossed{EXCHANGED}",
    "by_sequence": "by_sequence: what the letter of a residue adds to the output.",
    "by_structure": "by_structure: what the features of its node add to the output.",
}
"""What the columns mean, by their names or by the first word of these."""


def explained_page(
    protein: Protein,
    columns: Mapping[str, Array],
    predicted: Mapping[Target, Estimate],
    thresholds: Thresholds = NONE,
    notes: Sequence[str] = (),
) -> str:
    """Return a page of one protein with its explanation and what the whole run predicts for it.

    Args:
        protein: Protein that is explained.
        columns: Values (residues,) by the name of the column; columns of one kind share a scale.
        predicted: Prediction of each target.
        thresholds: Probability from which a binary target counts as positive, by its name.
        notes: Sentences to begin with.
    """
    shown: dict[str, Array] = {}
    scales: dict[str, Scale] = {}
    for target, one in predicted.items():
        if target.level == "residue" and has_one(target):
            shown[target.name] = one.mean
            scales[target.name] = of_values(
                target.kind, one.mean.tolist(), thresholds.get(target.name)
            )
    for name, values in columns.items():
        kind = name.partition("_")[0]
        of_kind = [own for other, own in columns.items() if other.partition("_")[0] == kind]
        shown[name], scales[name] = values, of_column(name, np.concatenate(of_kind).tolist())
    whole = [f"{target.name}: {float(one.mean):.3g}." for target, one in predicted.items()
             if target.level == "protein" and has_one(target)]  # fmt: skip
    lines = [*notes, *whole, meaning(predicted, thresholds), *_legend(columns)]
    text = "".join(f"<p class=soft>{html.escape(line)}</p>" for line in lines if line)
    title = f"{protein.name}: what the prediction is based on"
    body = f"<h1>{html.escape(title)}</h1>{text}"
    body += viewer.section([viewer.describe(protein, shown)], scales)
    return page(title, body, viewer.STYLE)


def _legend(columns: Mapping[str, Array]) -> list[str]:
    """Return what the columns mean, a sentence for each kind."""
    kinds = (name if name in MEANT else name.partition("_")[0] for name in columns)
    return [MEANT[kind] for kind in dict.fromkeys(kinds)]
