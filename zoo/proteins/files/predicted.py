"""Whether a structure file has pLDDT, how sure AlphaFold is of a residue, in place of B-factors."""

from __future__ import annotations

import re

#: An experiment in PDB or mmCIF text; a file of one may name AlphaFold, whose model it began with.
EXPERIMENT = re.compile(
    rb"^EXPDTA\s++(?!THEORETICAL)|^\s*+_exptl\.method\s++(?!['\"]?THEORETICAL|[?.]\s)",
    re.MULTILINE | re.IGNORECASE,
)
MODEL_QUALITY = b"_ma_qa_metric"
"""The category of mmCIF that models have, and experiments have not."""


def holds_plddt(data: bytes) -> bool:
    """Return whether the content of a structure file says that AlphaFold predicted it.

    SaProt's authors look for its name alone (utils/foldseek_util.py).
    """
    if b"alphafold" not in data.lower():
        return False
    return MODEL_QUALITY in data or (data.isascii() and not EXPERIMENT.search(data))
