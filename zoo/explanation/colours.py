"""The colours of scores, gates and contributions, the same in every picture, page and message.

Blue is the sequence (a gate of 0) and orange the structure (a gate of 1), wherever gates are shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.colors import Colormap

SEQUENCE, EVEN, STRUCTURE = "#1452a0", "#f4f4f4", "#d6600c"
GATES = (SEQUENCE, EVEN, STRUCTURE)
SCORES = ("#dfe1e8", "#d98bc0", "#a3167a")
"""From a low score to a high one: pale to dark, and to a strong colour on a dark page."""
SIGNED = ("#762a83", "#f4f4f4", "#1b7837")
"""From a contribution that lowers to one that raises; neither blue nor orange; as in PRGn."""
AMOUNTS = ("#440154", "#21918c", "#fde725")
"""From little to much, of a quantity that is no score, such as attention; as in viridis."""
LEGEND = "0, blue: trusts the sequence; 1, orange: trusts the structure"


def gate_colours() -> Colormap:
    """Return the colour map of gates from 0 to 1."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("gates", GATES)
