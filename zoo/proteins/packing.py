"""Packs items into batches: runs of neighbouring items within a budget of padded tokens."""

from __future__ import annotations

from collections.abc import Sequence


def packed(lengths: Sequence[int], budget: int, rows: Sequence[int] | None = None) -> list[range]:
    """Return runs of neighbouring items whose padded tokens stay within a budget.

    A padded run takes the length of its longest item for each of its rows. An item above the budget
    is a run of its own: nothing is cut or left out. Sort the items by length first, so that there
    is little padding.

    Examples:
        >>> packed([10, 12, 30, 31, 90], budget=64)
        [range(0, 2), range(2, 4), range(4, 5)]

    Args:
        lengths: Length of each item.
        budget: Largest number of tokens in a run, padding included.
        rows: Number of rows of each item, such as the chains of a protein; None means one each.
    """
    starts, longest, count = [0], 0, 0
    for at, length in enumerate(lengths):
        own = 1 if rows is None else rows[at]
        longest, count = max(longest, length), count + own
        if longest * count > budget and at > starts[-1]:
            starts.append(at)
            longest, count = length, own
    ends = [*starts[1:], len(lengths)]
    return [range(a, b) for a, b in zip(starts, ends, strict=True) if a < b]
