"""Tiny structure files as text, with the warts that a test asks for."""

from __future__ import annotations

from dataclasses import dataclass

import msgpack
import numpy as np

#: A residue in an extended chain: one step along x is the length of a CA-CA virtual bond.
STEP = 3.8
SHAPE = {"N": (-1.2, 0.4, 0.0), "CA": (0.0, 0.0, 0.0), "C": (1.3, 0.5, 0.0), "O": (1.4, 1.7, 0.0)}
COLUMNS = (
    "group_PDB", "id", "type_symbol", "label_atom_id", "label_alt_id", "label_comp_id",
    "label_asym_id", "label_entity_id", "label_seq_id", "auth_seq_id", "pdbx_PDB_ins_code",
    "auth_asym_id", "Cartn_x", "Cartn_y", "Cartn_z", "occupancy", "B_iso_or_equiv",
    "pdbx_PDB_model_num",
)  # fmt: skip


@dataclass
class Atom:
    name: str
    comp: str = "ALA"
    chain: str = "A"
    number: int = 1
    code: str = ""
    alt: str = ""
    xyz: tuple[float, float, float] = (0.0, 0.0, 0.0)
    occupancy: float = 1.0
    bfactor: float = 10.0
    element: str = "C"
    het: bool = False
    seq: int = 0
    label: str = ""

    def pdb(self, serial: int = 1) -> str:
        name = self.name if len(self.name) == 4 or len(self.element) == 2 else f" {self.name}"
        return (
            f"{'HETATM' if self.het else 'ATOM  '}{serial:5d} {name:<4}{self.alt:1}{self.comp:>3}"
            f"{self.chain:>2}{self.number:4d}{self.code:1}   "
            + "".join(f"{value:8.3f}" for value in self.xyz)
            + f"{self.occupancy:6.2f}{self.bfactor:6.2f}          {self.element.upper():>2}\n"
        )

    def row(self, serial: int = 1) -> list[str]:
        label = self.label or self.chain
        return [
            "HETATM" if self.het else "ATOM", str(serial), self.element.upper(), self.name,
            self.alt or ".", self.comp, label, label, str(self.seq or "."), str(self.number),
            self.code or "?", self.chain, *(f"{value:.3f}" for value in self.xyz),
            f"{self.occupancy:.2f}", f"{self.bfactor:.2f}", "1",
        ]  # fmt: skip


def residue(comp: str, number: int, place: float, *, only: str = "N CA C O", **more) -> list[Atom]:
    """Return the backbone of one residue, `place` virtual bonds along x."""
    return [
        Atom(
            name,
            comp,
            number=number,
            xyz=(SHAPE[name][0] + place * STEP, *SHAPE[name][1:]),
            element=name[0],
            **more,
        )  # fmt: skip
        for name in only.split()
    ]


def peptide(*comps: str, first: int = 1, place: float = 0, **more) -> list[Atom]:
    """Return a chain of residues numbered from `first`, also in mmCIF."""
    return [
        atom
        for at, comp in enumerate(comps)
        for atom in residue(comp, first + at, place + at, **{"seq": at + 1, **more})
    ]


def pdb(*parts: list[Atom] | str) -> str:
    """Join atoms and lines of text as a PDB file."""
    return "".join(
        part if isinstance(part, str) else "".join(map(Atom.pdb, part)) for part in parts
    )


def seqres(chain: str, *comps: str) -> str:
    return f"SEQRES   1 {chain:1} {len(comps):4d}  {' '.join(comps)}\n"


def mmcif(atoms: list[Atom], sequences: dict[str, tuple[str, ...]] | None = None) -> str:
    """Write an mmCIF file; `sequences` by label name become polymer entities."""
    text = "data_test\nloop_\n" + "".join(f"_atom_site.{name}\n" for name in COLUMNS)
    text += "".join(" ".join(atom.row(at + 1)) + "\n" for at, atom in enumerate(atoms))
    if sequences:
        text += "loop_\n_entity_poly.entity_id\n_entity_poly.type\n"
        text += "".join(f"{name} 'polypeptide(L)'\n" for name in sequences)
        text += "loop_\n_entity_poly_seq.entity_id\n_entity_poly_seq.num\n_entity_poly_seq.mon_id\n"
        for name, comps in sequences.items():
            text += "".join(f"{name} {at + 1} {comp}\n" for at, comp in enumerate(comps))
    return text


def bcif(atoms: list[Atom]) -> bytes:
    """Write a BinaryCIF file of plain string and number columns."""
    rows = [atom.row(at + 1) for at, atom in enumerate(atoms)]
    columns = [
        _numbers(name, values) if name.startswith("Cartn") else _strings(name, values)
        for name, values in zip(COLUMNS, zip(*rows, strict=True), strict=True)
    ]
    category = {"name": "_atom_site", "rowCount": len(rows), "columns": columns}
    return msgpack.packb({"dataBlocks": [{"header": "TEST", "categories": [category]}]})


def int32(values: list[int]) -> bytes:
    return np.array(values, "<i4").tobytes()


BYTES = [{"kind": "ByteArray", "type": 3}]


def _numbers(name: str, values: tuple[str, ...]) -> dict:
    fixed = {"kind": "FixedPoint", "factor": 1000, "srcType": 33}
    data = int32([round(float(value) * 1000) for value in values])
    return {"name": name, "data": {"encoding": [fixed, *BYTES], "data": data}, "mask": None}


def _strings(name: str, values: tuple[str, ...]) -> dict:
    """Write a string array with a mask for "." and "?"."""
    unique = sorted(set(values))
    encoding = {
        "kind": "StringArray", "stringData": "".join(unique), "dataEncoding": BYTES,
        "offsetEncoding": BYTES,
        "offsets": int32([0, *np.cumsum([len(value) for value in unique]).tolist()]),
    }  # fmt: skip
    mask = int32([".?".find(value) + 1 for value in values])
    return {
        "name": name,
        "data": {"encoding": [encoding], "data": int32([unique.index(v) for v in values])},
        "mask": {"encoding": BYTES, "data": mask},
    }
