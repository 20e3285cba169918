"""Structures by name: entries of the PDB and models of AlphaFold DB, fetched once and kept.

Where they come from: RCSB's file service (https://www.rcsb.org/docs/programmatic-access/
file-download-services), and AlphaFold DB's API, which is asked for the address of a model's file,
because that changes with the version (https://alphafold.ebi.ac.uk/api-docs). UniProt's accessions
are as in https://www.uniprot.org/help/accession_numbers.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from zoo.errors import FetchError, StructureError
from zoo.system.files import cache_root, saving, whole_file
from zoo.system.network import check_address, fetch

ACCESSION = r"[OPQ][0-9][A-Z0-9]{3}[0-9]|[A-NR-Z][0-9](?:[A-Z][A-Z0-9]{2}[0-9]){1,2}"
CHAINS = r"(?:[_:](?P<chains>[A-Za-z0-9]{1,4}(?:,[A-Za-z0-9]{1,4})*))?"
PDB = re.compile(rf"(?P<entry>[1-9][A-Za-z0-9]{{3}}){CHAINS}")
ALPHAFOLD = re.compile(
    rf"(?P<entry>AF-(?P<model>{ACCESSION})-F[1-9][0-9]*|(?P<accession>{ACCESSION}))"
)
FORMS = (
    "the name of a PDB entry (1abc), of chains in one (1abc_A, 1abc:A,B), of a model of AlphaFold "
    "DB (AF-P12345-F1), or a UniProt accession (P12345)"
)
MOST = 2**28
"""Largest number of bytes that a file of a structure may have; a ribosome's has a tenth."""
MOST_LISTED = 2**22
"""Largest number of bytes of an answer of AlphaFold DB's API."""


class Named(NamedTuple):
    """A structure that a name stands for.

    Attributes:
        entry: Name of the entry, such as "1abc", "AF-P12345-F1" or "P12345".
        chains: Names of its chains as in "A,B"; None for all.
        accession: Of a model of AlphaFold DB, the UniProt accession; None for a PDB entry.
    """

    entry: str
    chains: str | None = None
    accession: str | None = None

    @property
    def file(self) -> str:
        """Name of its file, after which the protein is named."""
        return f"{self.entry}.cif" if self.accession else f"{self.entry}.cif.gz"


def named(text: str) -> Named | None:
    """Return the structure that a text is the name of, None if it has no form of such a name.

    Examples:
        >>> named("1ABC_A"), named("P12345").accession, named("1abc.cif")
        (Named(entry='1abc', chains='A', accession=None), 'P12345', None)
    """
    if found := PDB.fullmatch(text):
        return Named(found["entry"].lower(), found["chains"])
    if found := ALPHAFOLD.fullmatch(text):
        return Named(found["entry"], None, found["model"] or found["accession"])
    return None


def folder_of_structures() -> Path:
    """Return the folder in which fetched structures are kept."""
    return cache_root() / "structures"


def structure_file(
    structure: Named, folder: Path | None = None, say: Callable[[str], None] = lambda line: None
) -> Path:
    """Return the file of a structure, which is fetched if it is not in the folder.

    Args:
        structure: What to fetch.
        folder: Where to look and to write; None for `folder_of_structures`.
        say: Called with a line on a file that was fetched.

    Raises:
        FetchError: If it cannot be fetched; says what to run elsewhere.
        StructureError: If there is no such structure, or what came is none.
        SaveError: If the file cannot be written.
    """
    path = (folder or folder_of_structures()) / structure.file
    if path.is_file():
        return path
    try:
        address = _model(structure) if structure.accession else _entry(structure)
        data = fetch(address, MOST)
    except FetchError as error:
        raise FetchError(_elsewhere(structure, str(error))) from error
    if data is None:
        raise _unknown(structure, address)
    _check(data, address)
    with (
        saving(path.parent, "Make room, or set ZOO_STORE to a folder that you may write to."),
        whole_file(path, "wb", part=f".{path.name}.{os.getpid()}.part") as file,
    ):
        file.write(data)
    say(f"{structure.entry}: fetched from {address} to {path}")
    return path


def _entry(structure: Named) -> str:
    base = os.environ.get("ZOO_PDB_URL") or "https://files.rcsb.org/download"
    return f"{base.rstrip('/')}/{structure.file}"


def _model(structure: Named) -> str:
    """Return the address of a model's file, which AlphaFold DB is asked for.

    Raises:
        FetchError: If it does not answer, or with something else.
        StructureError: If it has no such model, or several fragments of a protein.
    """
    base = os.environ.get("ZOO_ALPHAFOLD_URL") or "https://alphafold.ebi.ac.uk/api/prediction"
    address = f"{base.rstrip('/')}/{structure.accession}"
    answer = fetch(address, MOST_LISTED)
    if answer is None:
        raise _unknown(structure, address)
    try:
        files = _files(json.loads(answer))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise FetchError(f"{address} did not answer with a list of models") from error
    whole = f"AF-{structure.accession}-F"
    if structure.entry == structure.accession:
        fragments = [name for name in files if re.fullmatch(rf"{whole}\d+", name)]
        if len(fragments) > 1:
            raise StructureError(
                f"AlphaFold DB has {structure.accession} in {len(fragments)} fragments. Name those "
                f"that you want: {', '.join(fragments)}."
            )
        name = fragments[0] if fragments else f"{whole}1"
    else:
        name = structure.entry
    if name not in files:
        raise _unknown(structure, address)
    check_address(files[name], address)
    return files[name]


def _files(listed: Any) -> dict[str, str]:
    """Return the address of each model's mmCIF file by the model's name."""
    return {str(row["entryId"]): str(row["cifUrl"]) for row in listed}


def _check(data: bytes, address: str) -> None:
    """Refuse what is no structure, such as the page by which a network asks for a password.

    Raises:
        StructureError: If it is something else, or damaged.
    """
    from zoo.proteins.files.formats import detect
    from zoo.proteins.files.unpack import gunzip

    try:
        content = gunzip(data) if data[:2] == b"\x1f\x8b" else data
        kind = detect(content) if content.strip() else "it is empty"
    except (ValueError, StructureError) as error:
        raise StructureError(f"What {address} holds {error}.") from None
    if kind not in ("mmcif", "bcif", "pdb"):
        raise StructureError(f"What {address} holds is no structure ({kind}).")


def _unknown(structure: Named, address: str) -> StructureError:
    if structure.accession is None:
        return StructureError(
            f"{structure.entry!r} is no file here, and the PDB has no entry of this name "
            f"({address}). Look it up at rcsb.org; an obsolete entry has a new name."
        )
    return StructureError(
        f"{structure.entry!r} is no file here, and AlphaFold DB has no model of this name "
        f"({address}). Look {structure.accession} up at alphafold.ebi.ac.uk."
    )


def _elsewhere(structure: Named, reason: str) -> str:
    return (
        f"{structure.entry!r} is no file here, and it cannot be fetched: {reason}.\nOn a machine "
        f"with internet run\n\n    python -m zoo.download {structure.entry} --out DIR\n\nand give "
        f"DIR/{structure.file} here, or copy that file to {folder_of_structures()}."
    )
