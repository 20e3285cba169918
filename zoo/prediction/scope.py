"""Whether the chains of a complex are taken together or alone, as the user asks and is told."""

from __future__ import annotations

from typing import get_args

from zoo.errors import unknown
from zoo.proteins.protein import Protein
from zoo.settings.config import CHAIN, Scope
from zoo.system.counting import counted


def checked_scope(given: str | None) -> Scope | None:
    """Return the scope that --as names; None if it is not given.

    Raises:
        ConfigError: If it is neither chain nor complex.
    """
    for scope in get_args(Scope):
        if given == scope:
            return scope
    if given is None:
        return None
    raise unknown("scope", given, get_args(Scope))


def told(complexes: int, scope: Scope, given: str | None) -> str | None:
    """Return a line on what was done with complexes; None if there were none, or it was asked for.

    Args:
        complexes: Number of structures of several chains.
        scope: What the model takes for one protein.
        given: What --as says.
    """
    if given is not None or scope != CHAIN or not complexes:
        return None
    have = counted(complexes, "structure has", "structures have")
    return (
        f"{have} several chains, and the model was trained on single chains: each chain was taken "
        "alone (--as complex takes them together)"
    )


def told_scored(complexes: int, scope: Scope, by_residue: bool, given: str | None) -> str | None:
    """Return what `told` does, of samples that are scored.

    Args:
        complexes: Number of samples of several chains.
        scope: What the model takes for one protein.
        by_residue: Whether it predicts for residues. What is known of a whole protein cannot be
            held against its chains.
        given: What --as says.
    """
    if by_residue or scope != CHAIN or not complexes:
        return told(complexes, scope, given)
    have = counted(complexes, "sample has", "samples have")
    return (
        f"{have} several chains, and the model was trained on single chains; what it predicts is "
        "for a whole protein, so it took them together, which it did not learn"
    )


def alone(part: Protein) -> str:
    """Return a line that says which chain of a complex is explained."""
    chain = part.chains[0].name
    return (
        f"the model was trained on single chains, so this explains chain {chain} alone (--chain "
        "NAME for another one, --as complex for all together)"
    )
