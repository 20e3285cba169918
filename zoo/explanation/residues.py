"""Finds a residue by the chain and number that the structure file gives it."""

from __future__ import annotations

from zoo.errors import ConfigError, unknown
from zoo.proteins.protein import Chain, Protein


def position_of(protein: Protein, residue: str) -> int:
    """Return the position over all chains, from 0, of a residue such as "A:151" or "A:151A".

    The chain may be left out ("151") where only one has a residue of that number.

    Raises:
        ConfigError: If there is no such chain or residue, or several chains have it.
    """
    name, colon, number = residue.strip().rpartition(":")
    starts, at = [], 0
    for chain in protein.chains:
        starts.append(at)
        at += len(chain)
    if colon and name not in [chain.name for chain in protein.chains]:
        raise unknown("chain (--residue)", name, {chain.name for chain in protein.chains})
    found = {
        f"{chain.name}:{number}": start + _resolved(chain).index(number)
        for start, chain in zip(starts, protein.chains, strict=True)
        if number and number in _resolved(chain) and (chain.name == name or not colon)
    }
    if len(found) == 1:
        return next(iter(found.values()))
    if found:
        raise ConfigError(f"--residue {residue}: {protein.name} has {', '.join(found)}; name one.")
    known = "; ".join(map(_span, protein.chains))
    raise ConfigError(f"--residue {residue}: {protein.name} has no such residue with coordinates; "
                      f"it has {known}.")  # fmt: skip


def _resolved(chain: Chain) -> list[str]:
    """Return the numbers of the residues that are nodes, "" for the others."""
    known = zip(chain.numbers, chain.resolved.tolist(), strict=True)
    return [number if resolved else "" for number, resolved in known]


def _span(chain: Chain) -> str:
    numbers = [number for number in _resolved(chain) if number]
    return f"{chain.name}:{numbers[0]} to {chain.name}:{numbers[-1]}" if numbers else chain.name
