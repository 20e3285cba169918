"""The rows of predictions as a pandas DataFrame."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from zoo.prediction.table import NONE, Plain, Thresholds, cell, header, number_columns, rows
from zoo.tasks import Target

if TYPE_CHECKING:
    from pandas import DataFrame


def frame(
    results: Iterable[tuple[str, Plain]], targets: Sequence[Target], *, several: bool,
    thresholds: Thresholds = NONE,
) -> DataFrame:  # fmt: skip
    """Return the rows that `write_table` writes as CSV, with its columns and cells.

    Args:
        results: Name and prediction of each protein.
        targets: Targets in the order of the columns.
        several: Whether there are several models, and so standard deviations.
        thresholds: Probability from which a target is "yes".

    Returns:
        One row for each residue, or for each protein. Residues without coordinates have NaN, or
        None in a column of names; numbers of residues are text ("52A").
    """
    import pandas as pd

    columns = header(targets, several, thresholds)
    found = (row for name, result in results for row in rows(name, result, targets, thresholds))
    table = [[cell(row.get(column)) for column in columns] for row in found]
    return pd.DataFrame(table, columns=columns).astype(
        dict.fromkeys(number_columns(targets, several), float)
    )
