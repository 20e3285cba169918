"""The record that everything else is computed from: plain arrays, no library types."""

from __future__ import annotations

import dataclasses
import string
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

BACKBONE = ("N", "CA", "C", "O")
#: A longer step from one CA to the next is not a peptide bond (trans 3.8, cis 2.9 angstrom).
MAX_CA_STEP = 4.5


@dataclass(frozen=True)
class ChainReport:
    """What was found in one chain and what was done about it; nothing is dropped silently."""

    resolved: int = 0
    """Residues with a CA: these become nodes."""
    unresolved: tuple[str, ...] = ()
    """Runs of residues in the sequence without coordinates, as "1-5" (positions from 1)."""
    breaks: int = 0
    modified: tuple[str, ...] = ()
    """Modified residues with the parent that they are read as, "MSE 12 -> M"."""
    unknown: tuple[str, ...] = ()
    """Residues without a known parent, read as X, "UNX 7"."""
    missing_atoms: tuple[str, ...] = ()
    """Resolved residues that lack backbone atoms, "LYS 12: O"."""
    without_ca: tuple[str, ...] = ()
    """Residues with some atoms but no CA: in the sequence, not a node."""
    altlocs: int = 0
    """Residues with alternate locations; the one of highest occupancy is kept, then the first."""
    insertions: int = 0
    """Residues with an insertion code; each is a residue of its own."""
    hydrogens: int = 0
    waters: int = 0
    ligands: tuple[str, ...] = ()
    """Other non-polymer groups that carry this chain's name, "GTP 301"."""
    ca_only: bool = False
    sequence_source: str = "observed"
    """"SEQRES", "entity_poly_seq", "fasta", or "observed" where the file has no sequence."""
    notes: tuple[str, ...] = ()
    """Everything else worth a line."""

    def to_dict(self) -> dict[str, object]:
        """Return the report as plain values for JSON."""
        return dataclasses.asdict(self)


@dataclass(frozen=True, eq=False)
class Chain:
    """One protein chain of L residues: its full sequence and where each residue is."""

    name: str
    """Author chain name, the one in papers ("A")."""
    label: str
    """mmCIF label name; the author name where the file has none."""
    sequence: str
    """(L) one-letter codes; the full deposited sequence where the file has it."""
    coords: NDArray[np.float32]
    """(L, 4, 3) N CA C O in angstrom, NaN where unresolved."""
    bfactor: NDArray[np.float32]
    """(L,) B-factor or pLDDT of the CA, NaN where unresolved."""
    numbers: tuple[str, ...]
    """(L,) author residue number with insertion code ("52A"), "" where unresolved."""
    report: ChainReport = field(default_factory=ChainReport)

    def __len__(self) -> int:
        return len(self.sequence)

    @property
    def resolved(self) -> NDArray[np.bool_]:
        """(L,) whether the residue has a CA."""
        known: NDArray[np.bool_] = np.all(np.isfinite(self.coords[:, 1]), axis=-1)
        return known

    @property
    def segments(self) -> NDArray[np.int64]:
        """(L,) number of the unbroken stretch that a residue is in, -1 where unresolved.

        A stretch ends at an unresolved residue and at a CA-CA step above `MAX_CA_STEP`.
        """
        resolved = self.resolved
        step = np.linalg.norm(np.diff(self.coords[:, 1], axis=0), axis=-1)
        bonded = np.nan_to_num(step, nan=np.inf) <= MAX_CA_STEP
        starts = resolved.copy()
        starts[1:] &= ~bonded
        return np.where(resolved, np.cumsum(starts) - 1, -1)


@dataclass(frozen=True, eq=False)
class Atoms:
    """A atoms with known coordinates."""

    pos: NDArray[np.float32]
    """(A, 3) in angstrom."""
    element: NDArray[np.uint8]
    """(A,) atomic number; 0 where the element is unknown."""
    name: NDArray[np.str_]
    """(A,) atom names ("CA")."""
    residue: NDArray[np.int64]
    """(A,) row of the residue in the protein's chains joined end to end, -1 in a ligand."""

    def __len__(self) -> int:
        return len(self.element)


@dataclass(frozen=True, eq=False)
class Ligand:
    """A non-polymer group: small molecule, ion or sugar; waters are only counted."""

    name: str
    chain: str
    number: str
    atoms: Atoms


@dataclass(frozen=True, eq=False)
class Protein:
    """One example: the chains of one structure file, or one sequence.

    Residues are counted over all chains joined end to end, resolved or not.
    """

    name: str
    chains: tuple[Chain, ...]
    atoms: Atoms
    """Atoms of the chains, hydrogens included."""
    ligands: tuple[Ligand, ...] = ()
    source: str = ""
    """Path of the file."""
    notes: tuple[str, ...] = ()
    """What was found in the file beside its protein chains (models, nucleic acids, ...)."""

    def __len__(self) -> int:
        return sum(len(chain) for chain in self.chains)

    @property
    def has_structure(self) -> bool:
        """Whether any residue is resolved."""
        return any(chain.resolved.any() for chain in self.chains)

    @property
    def ca_only(self) -> bool:
        """Whether every resolved residue has a CA and nothing else of the backbone."""
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
        ValueError: if the sequence is empty or has something other than letters.
    """
    if not (sequence.isascii() and sequence.isalpha()):
        odd = sorted(set(sequence) - set(string.ascii_letters))
        found = f"characters that are no residues: {odd}" if odd else "no residues"
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
