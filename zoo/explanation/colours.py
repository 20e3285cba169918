"""The colours of gates, the same in every picture, page and message: blue to orange.

Blue is the sequence (a gate of 0) and orange the structure (a gate of 1), wherever gates are shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.colors import Colormap

SEQUENCE, EVEN, STRUCTURE = "#1452a0", "#f4f4f4", "#d6600c"
LEGEND = "0, blue: trusts the sequence; 1, orange: trusts the structure"


def gate_colours() -> Colormap:
    """Return the colour map of gates from 0 to 1."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("gates", [SEQUENCE, EVEN, STRUCTURE])
