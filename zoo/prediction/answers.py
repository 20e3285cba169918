"""The answer of a prediction in one line a protein: its highest residues, or its value."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from zoo.prediction.table import NONE, Plain, Thresholds, rows
from zoo.tasks import Target

if TYPE_CHECKING:
    from zoo.prediction.journal import Journal

HIGHEST, SHOWN = 4, 10
"""Numbers of residues and of proteins that are named."""


class Answers(NamedTuple):
    """The answers for the first proteins, as texts to print.

    Attributes:
        columns: names of the cells after the protein's name.
        rows: name and cells of each protein.
        others: number of proteins that are not named.
        remark: what the cells mean; "" for nothing to say.
    """

    columns: list[str]
    rows: list[list[str]]
    others: int
    remark: str


class Residue(NamedTuple):
    """A residue with its score.

    Attributes:
        at: index of the residue, counted over all chains end to end.
        place: its chain, its number in the file (in a sequence its position) and its letter, such
            as "A:151 W".
        score: value or probability.
    """

    at: int
    place: str
    score: float


def answers_of(
    journal: Journal, names: Sequence[str], targets: Sequence[Target], thresholds: Thresholds = NONE
) -> Answers:
    """Return the answers for the first of some proteins in a journal, as texts to print."""
    shown = names[:SHOWN]
    cells = [[name, *_texts(name, journal[name], targets, thresholds)] for name in shown]
    remark = meaning(targets, thresholds)
    return Answers(columns(targets, thresholds), cells, len(names) - len(shown), remark)


def meaning(targets: Iterable[Target], thresholds: Thresholds) -> str:
    """Return sentences that say from which probability each target is "yes"; "" for none."""
    return " ".join(
        f'{one.name} is "yes" for a {one.level} with a probability of at least '
        f"{thresholds[one.name]:.3g}, the threshold that did best on the validation data."
        for one in targets
        if one.name in thresholds
    )


def _texts(
    name: str, result: Plain, targets: Sequence[Target], thresholds: Thresholds
) -> list[str]:
    """Return the cells of one protein, in which the highest score tells the next ones as well."""
    cells = ["" if cell is None else _text(cell) for cell in
             answer(name, result, targets, thresholds)]  # fmt: skip
    if targets[0].level == "residue":
        best = {f"{one.name}: highest": highest(result, one) for one in targets if has_one(one)}
        for at, column in enumerate(columns(targets, thresholds)):
            if column in best:
                cells[at] = ", ".join(f"{one.place} {one.score:.2f}" for one in best[column])
    return cells


def _text(cell: Any) -> str:
    return f"{cell:.3g}" if isinstance(cell, float) else str(cell)


def highest(result: Plain, target: Target, count: int = HIGHEST) -> list[Residue]:
    """Return the residues with the highest scores of a target with one number a residue."""
    places = [
        (f"{chain}:{number or position} {letter}" if number else f"{position} {letter}")
        for chain, sequence, numbers in result["chains"]
        for position, (number, letter) in enumerate(zip(numbers, sequence, strict=True), 1)
    ]
    known = [(at, x) for at, x in enumerate(result["mean"][target.name]) if x is not None]
    best = sorted(known, key=lambda one: -one[1])[:count]
    return [Residue(at, places[at], value) for at, value in best]


def length(result: Plain) -> int:
    """Return the number of residues, whether they have a score or not."""
    return sum(len(sequence) for _, sequence, _ in result["chains"])


def columns(targets: Sequence[Target], thresholds: Thresholds = NONE) -> list[str]:
    """Return the names of the cells of `answer`."""
    names = ["residues"]
    for target in targets:
        if target.level == "protein":
            names.append(target.name)
        elif has_one(target):
            names += [f"{target.name}: yes"] * (target.name in thresholds)
            names.append(f"{target.name}: highest")
    return names


def has_one(target: Target) -> bool:
    """Return whether a target is one number, of which there is a highest."""
    return target.outputs == 1 and target.kind in ("binary", "regression")


def answer(
    name: str, result: Plain, targets: Sequence[Target], thresholds: Thresholds = NONE
) -> list[Any]:
    """Return the answer for one protein: its number of residues, and cells of each target.

    Of a target of residues, the number that count as positive and the highest score; of a target of
    proteins, its value.
    """
    found: list[Any] = [length(result)]
    if targets[0].level == "protein":
        (row,) = rows(name, result, targets, thresholds)
        return found + [_told(target, row) for target in targets]
    for target in filter(has_one, targets):
        values = [value for value in result["mean"][target.name] if value is not None]
        if target.name in thresholds:
            found.append(sum(value >= thresholds[target.name] for value in values))
        found.append(max(values, default=None))
    return found


def _told(target: Target, row: dict[str, Any]) -> Any:
    """Return the cell of a target of proteins: a number, or a class with its probability."""
    value, call = row[target.name], row.get(f"{target.name}_call")
    if target.kind == "multiclass" and value is not None:
        return f"{value} ({row[f'{target.name}_probability']:.2f})"
    if isinstance(value, list):
        chances = row[f"{target.name}_probability"]
        return ", ".join(f"{one} ({p:.2f})" for one, p in zip(value, chances, strict=True)) or "-"
    return f"{call} ({value:.3g})" if call else value
