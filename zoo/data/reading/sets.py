"""Parses the names that data sets give their sets ("Test_60") into split and subset."""

from __future__ import annotations

import re

TRAIN = ("train", "training")
VALIDATION = ("validation", "valid", "val", "dev")
TEST = ("test", "testing")
NAMES = {
    **dict.fromkeys(TRAIN, "train"),
    **dict.fromkeys(VALIDATION, "validation"),
    **dict.fromkeys(TEST, "test"),
}
EXPECTED = (
    "train, validation, test, with a subset as in 'test_60' or 'Test (Homology)', or 'Fold 1'"
)


def parse_set(name: str) -> tuple[str, str] | None:
    r"""Return the split and the subset that the name of a set means, or None if it is unknown.

    Examples:
        >>> parse_set("Validation (70\\%)"), parse_set("Test_60"), parse_set("UBtest_31")
        (('validation', '70'), ('test', '60'), ('test', 'ubtest_31'))
        >>> parse_set("Fold 1")
        ('', 'fold1')
    """
    words = re.findall(r"[a-z]+|\d+", name.lower())
    if words[:1] == ["fold"] and len(words) == 2:
        return "", f"fold{words[1]}"
    if words[:1] == ["ubtest"]:  # GraphPPIS: the unbound forms of test chains
        return "test", "_".join(words)
    if not words or words[0] not in NAMES:
        return None
    return NAMES[words[0]], "_".join(words[1:])
