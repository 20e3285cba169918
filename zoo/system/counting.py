"""Counts in messages: one thing in the singular."""

from __future__ import annotations


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number with the word for what is counted, and its verb if that is given too.

    Args:
        number: How many there are.
        one: Word for one of them, such as "row" or "row has".
        many: Words for several, if they are not the first one with "s".

    Examples:
        >>> counted(1, "row"), counted(1200, "row"), counted(2, "row has", "rows have")
        ('1 row', '1,200 rows', '2 rows have')
    """
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"
