"""What --min-plddt asks for, and what is told of residues that it leaves out."""

from __future__ import annotations

from zoo.errors import ConfigError
from zoo.prediction.inputs import Outcome
from zoo.system.counting import counted


def checked_least(given: float | None) -> float | None:
    """Return the lowest pLDDT that stays; None if it is not given.

    Raises:
        ConfigError: If it is not between 0 and 100.
    """
    if given is not None and not 0 <= given <= 100:
        raise ConfigError(f"--min-plddt {given:g} is not valid: expected a number from 0 to 100.")
    return given


def left_out_residues(outcome: Outcome, least: float | None) -> list[str]:
    """Return lines on the residues that were left out, and on inputs that have no pLDDT.

    Args:
        outcome: Counts of the inputs that were read.
        least: What --min-plddt says.
    """
    if least is None:
        return []
    below = f"below pLDDT {least:g}"
    lines = [f"{counted(outcome.unsure, f'residue {below} is', f'residues {below} are')} left out"]
    if count := outcome.not_predicted:
        one = count == 1
        lines.append(
            f"{counted(count, 'input is', 'inputs are')} no structure that AlphaFold "
            "predicted, as far as the file says, and --min-plddt leaves "
            f"{'it as it is' if one else 'them as they are'}"
        )
    return lines
