"""The page of predictions: every protein in a table, its structure and its sequence in colour."""

from __future__ import annotations

import html
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo.errors import ZooError
from zoo.prediction.answers import answer, columns, has_one, meaning
from zoo.prediction.journal import Journal
from zoo.prediction.table import NONE, Plain, Thresholds
from zoo.proteins.protein import Chain
from zoo.proteins.records import holds_many
from zoo.proteins.structure import read_structure
from zoo.reporting import viewer
from zoo.reporting.page import page
from zoo.reporting.scales import Scale, of_values
from zoo.settings.config import Scope
from zoo.system.counting import counted
from zoo.tasks import Target

PAGE = "index.html"
MOST = 10_000_000
"""Bytes of a page; a browser opens one of this size at once."""
ROWS = 2_000_000
"""Bytes that the lines of the table may take."""
TAKEN: Mapping[Scope, str] = {
    "chain": "Each chain of a complex was taken alone.",
    "complex": "All chains of a complex were taken together.",
}


def predicted_page(
    journal: Journal, targets: Sequence[Target], thresholds: Thresholds = NONE, *,
    title: str = "", model: str = "", warnings: Sequence[str] = (),
    scope: Scope | None = None,
) -> str:  # fmt: skip
    """Return a page of all proteins in a folder of predictions.

    Structures are read again from the files that they were predicted from. Where a file is gone or
    has changed, the sequence is shown alone, with the reason.

    Args:
        journal: Predictions.
        targets: Targets of the model.
        thresholds: Probability from which a binary target counts as positive, by its name.
        title: Title of the page.
        model: What the model is called.
        warnings: What must be known of the model before its predictions are read.
        scope: What the model took for one protein, which is said if there are complexes.
    """
    names = journal.names()
    scales = scales_of(journal, targets, thresholds)
    lines = [_line(name, journal[name], targets, thresholds) for name in names]
    rows = [viewer.dumped(line) for line in lines]
    room = MOST - viewer.fixed_size() - min(sum(map(len, rows)), ROWS)
    shown: list[str] = []
    for name, line in zip(names, lines, strict=True):
        text = viewer.dumped(line | _drawn(journal.source(name), journal[name], scales))
        room -= len(text)
        if room < 0:
            break
        shown.append(text)
    rest = _within(rows[len(shown) :], ROWS)
    remark = _sum(len(names), len(shown), len(names) - len(shown) - len(rest))
    body = f"<h1>{html.escape(title)}</h1>{_told(model, targets, thresholds)}"
    if scope is not None and any(len(journal[name]["chains"]) > 1 for name in names):
        body += f"<p class=soft>{TAKEN[scope]}</p>"
    body += "".join(f"<p><b>{html.escape(one)}</b></p>" for one in warnings)
    body += viewer.section([*shown, *rest], scales, columns(targets, thresholds), remark)
    return page(title, body, viewer.STYLE)


def _within(texts: Sequence[str], room: int) -> list[str]:
    """Return the first texts that take at most so many bytes."""
    sizes = itertools.accumulate(map(len, texts))
    return [text for text, size in zip(texts, sizes, strict=True) if size <= room]


def _sum(given: int, drawn: int, hidden: int) -> str:
    """Return how many proteins are drawn, and why the others are not."""
    text = f"{counted(given, 'protein')} predicted = {drawn:,} drawn + {given - drawn:,} left out"
    if drawn == given:
        return f"{text}."
    more = f", {hidden:,} of them not even in the table below" if hidden else ""
    return (
        f"{text}{more}, as the page would be larger than {MOST // 10**6} MB. The file of "
        "predictions beside this page has them all; for a page of some, predict these into "
        "another folder."
    )


def _told(model: str, targets: Sequence[Target], thresholds: Thresholds) -> str:
    """Return sentences on what is predicted and what yes means."""
    by = f" by the model {model}" if model else ""
    what = ", ".join(one.name for one in targets)
    text = f"Predicted{by} for each {targets[0].level}: {what}. {meaning(targets, thresholds)}"
    return f"<p class=soft>{html.escape(text)}</p>"


def scales_of(
    journal: Journal, targets: Sequence[Target], thresholds: Thresholds = NONE
) -> dict[str, Scale]:
    """Return the colours of each target of residues, the same for all proteins of a folder."""
    shown = [one for one in targets if one.level == "residue" and has_one(one)]
    values: dict[str, list[float | None]] = {one.name: [] for one in shown}
    measured = [one.name for one in shown if one.kind == "regression"]
    for result in (journal[name] for name in journal.names() if measured):
        for name in measured:
            values[name] += result["mean"][name]
    return {
        one.name: of_values(one.kind, values[one.name], thresholds.get(one.name)) for one in shown
    }


def _line(
    name: str, result: Plain, targets: Sequence[Target], thresholds: Thresholds
) -> dict[str, Any]:
    return {"name": name, "cells": answer(name, result, targets, thresholds)}


def _drawn(source: Path | None, result: Plain, scales: Mapping[str, Scale]) -> dict[str, Any]:
    """Return what the viewer shows of one protein, with its structure if it can be read."""
    values = {name: result["mean"][name] for name in scales}
    geometry, note = _geometry(source, result["chains"])
    return {**geometry, "values": values, "note": note}


def _geometry(source: Path | None, chains: Sequence[Any]) -> tuple[dict[str, Any], str]:
    """Return the chains with their coordinates, and what is to be said about them."""
    if source is None:
        note = (
            "The structure is not shown: its file is gone, or has changed since it was predicted."
        )
    elif holds_many(source):
        note = "A sequence without a structure."
    else:
        try:
            protein = read_structure(source)
        except ZooError:
            note = f"The structure is not shown: {source.name} cannot be read any more."
        else:
            same = [_same(chain, protein.chains) for chain in chains]
            if all(same):
                return viewer.geometry([one for one in same if one], protein), ""
            note = f"The structure is not shown: {source.name} has other chains now."
    plain = [[name, letters, ",".join(numbers), ""] for name, letters, numbers in chains]
    return {"chains": plain, "xyz": None}, note


def _same(chain: Any, others: Sequence[Chain]) -> Chain | None:
    """Return the chain of the same name, sequence and numbers."""
    name, sequence, numbers = chain
    key = name, sequence, tuple(numbers)
    return next((one for one in others if (one.name, one.sequence, one.numbers) == key), None)
