"""The sum that ends a verb that reads many things: "N in = A done + B left out", with reasons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.command.say import note, say
from zoo.errors import alike
from zoo.system.counting import counted

if TYPE_CHECKING:
    from zoo.prediction.inputs import Outcome

SHOWN = 10


@dataclass(frozen=True)
class Sum:
    """What became of all the things that a verb was given.

    Attributes:
        what: things that are counted, as "samples".
        given: how many there are, counted before anything is done with them.
        done: how many of them were done, now or before.
        left_out: how many were left out for each reason.
    """

    what: str
    given: int
    done: int
    left_out: Mapping[str, int]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "of": self.what, "in": self.given, "done": self.done,
            "left_out": sum(self.left_out.values()), "reasons": dict(self.left_out),
        }  # fmt: skip


def grouped(reasons: Iterable[str]) -> dict[str, int]:
    """Return how often each reason was given; reasons that differ in names only are one."""
    return dict(Counter(map(alike, reasons)).most_common())


def sum_of(outcome: Outcome) -> Sum:
    """Return the sum over the proteins of the input files."""
    done, reasons = outcome.written + outcome.kept, grouped(outcome.failed.values())
    reasons |= outcome.left_out
    waiting = outcome.given - done - len(outcome.failed) - outcome.left_out.total()
    if outcome.interrupted and waiting:
        reasons["not reached before the stop"] = waiting
    return Sum("proteins", outcome.given, done, reasons)


def show_sum(found: Sum, where: Path | None = None, tell: Callable[[str], None] = say) -> None:
    """Print the sum, and the most frequent reasons below it.

    Args:
        found: sum to print.
        where: file that lists everything that was left out, if there is one.
        tell: prints a line; for a verb whose JSON is a list, `note`.
    """
    left = sum(found.left_out.values())
    given = counted(found.given, found.what.removesuffix("s"), found.what)
    tell(f"{given} in = {found.done:,} done + {left:,} left out")
    ranked = sorted(found.left_out.items(), key=lambda item: -item[1])
    for reason, count in ranked[:SHOWN]:
        tell(f"  {count:,} left out: {reason}")
    if len(ranked) > SHOWN:
        tell(f"  and {len(ranked) - SHOWN} more reasons")
    if left and where is not None:
        note(f"each of them, with its reason: {where}")
