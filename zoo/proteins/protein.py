"""The `Protein` record that graphs and batches are computed from; it holds only plain arrays."""

from __future__ import annotations

import dataclasses
import string
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from zoo.system.counting import counted

BACKBONE = ("N", "CA", "C", "O")
#: Largest distance in angstrom of successive CA atoms in a chain without a break (3.8 across a
#: trans peptide bond, 2.9 across a cis one).
MAX_CA_STEP = 4.5
#: Number of chains that a protein's text names.
SHOWN = 6


@dataclass(frozen=True)
class ChainReport:
    """What the reader found in one chain and how it handled it; nothing is dropped silently."""

    resolved: int = 0
    """Number of residues with a CA, which become nodes."""
    unresolved: tuple[str, ...] = ()
    """Stretches of the sequence without coordinates, such as "1-5" (positions from 1)."""
    breaks: int = 0
    """Number of breaks of the chain, each between two unbroken stretches."""
    modified: tuple[str, ...] = ()
    """Modified residues with the parent that they are read as, such as "MSE 12 -> M"."""
    unknown: tuple[str, ...] = ()
    """Residues without a known parent, which are read as X, such as "UNX 7"."""
    missing_atoms: tuple[str, ...] = ()
    """Resolved residues that lack backbone atoms, such as "LYS 12: O"."""
    without_ca: tuple[str, ...] = ()
    """Residues with some atoms but no CA, which are in the sequence but not nodes."""
    altlocs: int = 0
    """Number of residues with alternate locations.

    The location of highest occupancy is kept; of equal ones, the first.
    """
    insertions: int = 0
    """Number of residues with an insertion code; each is a residue of its own."""
    hydrogens: int = 0
    waters: int = 0
    ligands: tuple[str, ...] = ()
    """Other non-polymer groups under this chain's name, such as "GTP 301"."""
    ca_only: bool = False
    """Whether no residue has a backbone atom other than its CA."""
    sequence_source: str = "observed"
    """"SEQRES", "entity_poly_seq", "fasta", or "observed" if the file has no sequence."""
    notes: tuple[str, ...] = ()
    """Other remarks, one in each line."""

    def to_dict(self) -> dict[str, object]:
        """Return the report as plain values for JSON."""
        return dataclasses.asdict(self)


@dataclass(frozen=True, eq=False)
class Chain:
    """One protein chain of L residues: its sequence, and the coordinates of its backbone."""

    name: str
    """Author's chain name, which papers use ("A")."""
    label: str
    """Chain name (label) in mmCIF; the author's name if the file has no label."""
    sequence: str
    """(L) one-letter codes; the full deposited sequence if the file has it."""
    coords: NDArray[np.float32]
    """(L, 4, 3) coordinates of N CA C O in angstrom, NaN where unresolved."""
    bfactor: NDArray[np.float32]
    """(L,) B-factor or pLDDT of the CA, NaN where unresolved."""
    numbers: tuple[str, ...]
    """(L,) author's residue number with insertion code ("52A"), "" where unresolved."""
    report: ChainReport = field(default_factory=ChainReport)
    kept_segments: NDArray[np.int64] | None = None
    """(L,) `segments` of the coordinates before noise was added; None computes them."""

    def __repr__(self) -> str:
        residues = counted(len(self), "residue")
        return f"<Chain {self.name}: {residues}, {self.resolved.sum():,} resolved>"

    def __len__(self) -> int:
        return len(self.sequence)

    @property
    def resolved(self) -> NDArray[np.bool_]:
        """(L,) whether the residue has a CA."""
        known: NDArray[np.bool_] = np.all(np.isfinite(self.coords[:, 1]), axis=-1)
        return known

    @property
    def segments(self) -> NDArray[np.int64]:
        """(L,) index of the unbroken stretch that each residue is in, -1 where unresolved.

        A stretch ends at an unresolved residue and at a CA-CA step above `MAX_CA_STEP`.
        """
        if self.kept_segments is not None:
            return self.kept_segments
        resolved = self.resolved
        step = np.linalg.norm(np.diff(self.coords[:, 1], axis=0), axis=-1)
        bonded = np.nan_to_num(step, nan=np.inf) <= MAX_CA_STEP
        starts = resolved.copy()
        starts[1:] &= ~bonded
        return np.where(resolved, np.cumsum(starts) - 1, -1)


@dataclass(frozen=True, eq=False)
class Atoms:
    """A table of A atoms with known coordinates."""

    pos: NDArray[np.float32]
    """(A, 3) coordinates in angstrom."""
    element: NDArray[np.uint8]
    """(A,) atomic number; 0 if the element is unknown."""
    name: NDArray[np.str_]
    """(A,) atom names ("CA")."""
    residue: NDArray[np.int64]
    """(A,) index of the atom's residue, counted over all chains end to end; -1 in a ligand."""

    def __repr__(self) -> str:
        return f"<Atoms: {len(self):,}>"

    def __len__(self) -> int:
        return len(self.element)


@dataclass(frozen=True, eq=False)
class Ligand:
    """A non-polymer group: a small molecule, ion or sugar. Waters are counted but not kept."""

    name: str
    chain: str
    number: str
    atoms: Atoms

    def __repr__(self) -> str:
        atoms = counted(len(self.atoms), "atom")
        return f"<Ligand {self.name} {self.number} of chain {self.chain}: {atoms}>"


@dataclass(frozen=True, eq=False)
class Protein:
    """One example: the chains of one structure file, or one sequence.

    Residues are numbered over all chains end to end, whether resolved or not.
    """

    name: str
    chains: tuple[Chain, ...]
    atoms: Atoms
    """Atoms of the chains, hydrogens included."""
    ligands: tuple[Ligand, ...] = ()
    source: str = ""
    """Path of the file."""
    notes: tuple[str, ...] = ()
    """Remarks on what else the file holds, such as other models and nucleic acids."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Number of atoms of the model in the file that are in no chain or ligand, by the reason.

    It is not kept in prepared data.
    """
    plddt: bool = False
    """Whether `Chain.bfactor` is the pLDDT of a predicted structure, as far as the file says."""
    pocket: NDArray[np.bool_] | None = None
    """(residues,) whether each residue may be a node, None for all; see `zoo.proteins.pocket`."""

    def __repr__(self) -> str:
        names = [chain.name for chain in self.chains]
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        word = "chain" if len(names) == 1 else "chains"
        resolved = sum(chain.resolved.sum() for chain in self.chains)
        ligands = f", {counted(len(self.ligands), 'ligand')}" if self.ligands else ""
        return (
            f"<Protein {self.name}: {word} {', '.join(names[:SHOWN])}{more}; {len(self):,} "
            f"residues, {resolved:,} resolved{ligands}>"
        )

    def __len__(self) -> int:
        return sum(len(chain) for chain in self.chains)

    @property
    def nodes(self) -> NDArray[np.bool_]:
        """(residues,) whether each residue is a node: it is resolved, and in the pocket if any."""
        resolved = np.concatenate([chain.resolved for chain in self.chains])
        return resolved if self.pocket is None else resolved & self.pocket

    @property
    def has_structure(self) -> bool:
        """Whether any residue is resolved."""
        return any(chain.resolved.any() for chain in self.chains)

    @property
    def ca_only(self) -> bool:
        """Whether the protein has coordinates, but no backbone atoms other than CA."""
        return self.has_structure and all(chain.report.ca_only for chain in self.chains)


def no_atoms() -> Atoms:
    """Return an empty table of atoms."""
    return Atoms(
        pos=np.zeros((0, 3), np.float32),
        element=np.zeros(0, np.uint8),
        name=np.zeros(0, "<U4"),
        residue=np.zeros(0, np.int64),
    )


def from_sequence(name: str, sequence: str, source: str = "") -> Protein:
    """Return a protein without coordinates.

    Raises:
        ValueError: If the sequence is empty or has characters other than letters.
    """
    if not (sequence.isascii() and sequence.isalpha()):
        odd = sorted(set(sequence) - set(string.ascii_letters))
        found = f"characters that are not residues: {odd}" if odd else "no residues"
        raise ValueError(f"sequence {name!r} has {found}; write it in one-letter codes")
    length = len(sequence)
    chain = Chain(
        name="A",
        label="A",
        sequence=sequence.upper(),
        coords=np.full((length, 4, 3), np.nan, np.float32),
        bfactor=np.full(length, np.nan, np.float32),
        numbers=("",) * length,
        report=ChainReport(sequence_source="fasta"),
    )
    return Protein(name=name, chains=(chain,), atoms=no_atoms(), source=source)
