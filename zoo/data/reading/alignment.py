"""Global alignment of labels to a chain by their letters; residue numbers only break ties."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

EQUAL, DIFFERENT, UNKNOWN = 4.0, -4.0, 0.0
OPEN, EXTEND = 10.0, 0.25
#: Score of equal residue numbers. It is smaller than any difference between letters, because
#: insertions and renumbering are common.
SAME_NUMBER = 0.05


def align(
    query: str,
    target: str,
    query_numbers: Sequence[str] = (),
    target_numbers: Sequence[str] = (),
) -> NDArray[np.int64]:
    """Return (len(query),) the position of each letter in the target, -1 if it has none.

    Gaps have affine costs (Gotoh), and those at the ends cost only their extension. A whole row is
    computed at once: within a row no gap starts from another gap, so the best start of each is a
    running maximum.
    """
    score = _scores(query, target, query_numbers, target_numbers)
    rows, columns = score.shape
    steps = EXTEND * np.arange(columns + 1)
    best = np.full((rows + 1, columns + 1), -np.inf)
    best[0] = -steps
    down = np.full(columns + 1, -np.inf)
    trace = np.zeros((rows + 1, columns + 1), np.int8)
    trace[0] = 1
    for row in range(1, rows + 1):
        start = np.full(columns + 1, OPEN)
        start[[0, -1]] = 0.0  # before the target's first residue or after its last
        down = np.maximum(best[row - 1] - start, down) - EXTEND
        straight = down.copy()
        straight[1:] = np.maximum(best[row - 1, :-1] + score[row - 1], down[1:])
        opened = straight - (0.0 if row == rows else OPEN) + steps
        across = np.full(columns + 1, -np.inf)
        across[1:] = np.maximum.accumulate(opened)[:-1] - steps[1:]
        best[row] = np.maximum(straight, across)
        trace[row] = np.where(across > straight, 1, np.where(down >= straight, 2, 0))
    return _walk(trace, best, score)


def _scores(
    query: str, target: str, query_numbers: Sequence[str], target_numbers: Sequence[str]
) -> NDArray[np.float64]:
    ours, theirs = (np.array(list(text), dtype="<U1") for text in (query, target))
    score = np.where(ours[:, None] == theirs, EQUAL, DIFFERENT)
    score[ours == "X"] = UNKNOWN
    score[:, theirs == "X"] = UNKNOWN
    if len(query_numbers) == len(query) and len(target_numbers) == len(target):
        left, right = (np.array([*map(_whole, n)]) for n in (query_numbers, target_numbers))
        score += SAME_NUMBER * ((left[:, None] == right) & (right != ""))
    return score


def _whole(number: str) -> str:
    """Return a residue number without its insertion code, which label files leave out."""
    found = re.match(r"-?\d+", number)
    return found.group() if found else ""


def _walk(
    trace: NDArray[np.int8], best: NDArray[np.float64], score: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Return the positions on the best path, followed back from the end.

    The table does not store the lengths of gaps: `_gap` finds them from the scores.
    """
    row, column = score.shape
    places = np.full(row, -1, np.int64)
    while row and column:
        if trace[row, column] == 0:
            row, column = row - 1, column - 1
            places[row] = column
        elif trace[row, column] == 1:
            column -= _gap(best[row, column - 1 :: -1] - best[row, column], row == len(places))
        else:
            free = column == score.shape[1]
            row -= _gap(best[row - 1 :: -1, column] - best[row, column], free)
    return places


def _gap(gain: NDArray[np.float64], free: bool) -> int:
    """Return the length of a gap, at which its cost equals the difference of the scores."""
    cost = (0.0 if free else OPEN) + EXTEND * np.arange(1, len(gain) + 1)
    return int(np.argmin(np.abs(gain - cost))) + 1
