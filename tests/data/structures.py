"""Small structure files with a sequence of one's own choosing."""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from pathlib import Path

NAMES = dict(
    A="ALA", R="ARG", N="ASN", D="ASP", C="CYS", Q="GLN", E="GLU", G="GLY", H="HIS", I="ILE",
    L="LEU", K="LYS", M="MET", F="PHE", P="PRO", S="SER", T="THR", W="TRP", Y="TYR", V="VAL",
)  # fmt: skip


def pdb_text(
    chains: Mapping[str, str],
    *,
    seqres: Mapping[str, str] | None = None,
    numbers: Sequence[str] | None = None,
    models: int = 1,
) -> str:
    """Return a PDB file with the four backbone atoms of each residue; "-" is a gap."""
    lines = []
    for chain, sequence in (seqres or {}).items():
        for row, at in enumerate(range(0, len(sequence), 13), start=1):
            names = " ".join(NAMES[letter] for letter in sequence[at : at + 13])
            lines.append(f"SEQRES {row:3d} {chain} {len(sequence):4d}  {names}")
    for model in range(1, models + 1):
        lines.append(f"MODEL     {model:4d}")
        for row, (chain, sequence) in enumerate(chains.items()):
            for at, letter in enumerate(sequence):
                if letter != "-":
                    number = numbers[at] if numbers else f"{at + 1}"
                    lines += _residue(NAMES[letter], chain, number, 3.8 * at, 10.0 * row + model)
        lines.append("ENDMDL")
    return "\n".join([*lines, "END", ""])


def _residue(name: str, chain: str, number: str, x: float, y: float) -> list[str]:
    code = number[-1] if number[-1].isalpha() else " "
    place = f"{number.rstrip('ABC'):>4}{code}"
    shape = {"N": (-1.2, 0.4), "CA": (0.0, 0.0), "C": (1.3, 0.5), "O": (1.4, 1.7)}
    return [
        f"ATOM      1  {atom:<3} {name} {chain}{place}   {x + dx:8.3f}{y + dy:8.3f}{0.0:8.3f}"
        f"  1.00 10.00           {atom[0]}"
        for atom, (dx, dy) in shape.items()
    ]


def write_pdb(path: Path, chains: Mapping[str, str], **more: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(pdb_text(chains, **more).encode()))  # type: ignore[arg-type]
