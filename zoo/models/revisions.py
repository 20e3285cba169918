"""The revisions: in what models of before compute, and are trained, in another way than new ones.

A saved config names its revision, so that a saved model gives the same numbers for ever, and a run
that is resumed goes on as it began. This file is the only one that says what a revision means.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from zoo.settings.revision import FIRST, NEWEST


@dataclass(frozen=True)
class Revision:
    """What is done in this revision.

    Attributes:
        in_units: An exchange reads and writes each row in units of its own root mean square, so
            that what it writes back counts in a large state as in a small one.
        norms_apart: The head norms the columns of each branch by themselves.
        takes_output: A one-way fusion after the last layer gets the language model's output,
            behind its final norm.
        adapters_apart: Low-rank adapters have a learning rate of their own.
        seeds_shuffle: Models that differ in their seed see the examples in different orders.
    """

    in_units: bool
    norms_apart: bool
    takes_output: bool
    adapters_apart: bool
    seeds_shuffle: bool


REVISIONS: Mapping[int, Revision] = {
    FIRST: Revision(False, False, False, False, False),
    NEWEST: Revision(True, True, True, True, True),
}
