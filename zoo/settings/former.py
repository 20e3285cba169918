"""What older versions wrote: names of configs no longer shipped, and keys that they lacked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ESM2 = re.compile(
    r"(?P<task>react|mqa|lba|ppbs|bce)_(?P<seq>esm2_(650m|8m))_(?P<struct>gvp|gat|schnet)_"
    r"(?P<fusion>global|local)"
)
FUSION_ARGS: dict[str, dict[str, Any]] = {
    "local": {"width": 128, "gate_width": 64},
    "global": {"num_heads": 4, "head_dim": 32},
    "cross": {"num_heads": 4, "head_dim": 32},
}
"""The arguments that the old files listed; they equal the defaults."""
BASELINES = {
    **{f"ppbs_esm2_650m_gvp_{name}": {"fusion.name": name}
       for name in ("cross", "parallel", "serial")},
    "ppbs_esm2_650m_none_none": {"structure.name": "none", "fusion.name": "none"},
    "ppbs_none_gvp_none": {"sequence.name": "none", "fusion.name": "none"},
}  # fmt: skip
WORDS = {"task": "task", "sequence.name": "seq", "structure.name": "struct",
         "fusion.name": "fusion"}  # fmt: skip
SHIPPED = {
    "ppbs_esm2_650m_gat_global", "ppbs_esm2_650m_gvp_global", "ppbs_esm2_650m_gvp_local",
    "ppbs_esm2_650m_schnet_global", "ppbs_esm2_8m_gvp_global", "ppbs_esm2_8m_gvp_local",
}  # fmt: skip
"""Names that match the pattern and are still shipped as files."""


@dataclass(frozen=True)
class FormerConfig:
    """The replacement of an old config: a shipped config, and the keys in which it differs."""

    base: str
    values: dict[str, Any]

    def options(self) -> str:
        """Return the differences as command-line options: "--task bce --fusion local"."""
        return " ".join(
            f"--{WORDS[key]} {value}" for key, value in self.values.items() if key in WORDS
        )


def former_config(name: str) -> FormerConfig | None:
    """Return the replacement of a config that is no longer shipped; None for any other name."""
    if name in SHIPPED:
        return None
    if name in BASELINES:
        return _former("ppbs_esm2_650m_gvp_global", dict(BASELINES[name]))
    found = ESM2.fullmatch(name)
    if found is None or (found["seq"] == "esm2_8m" and found["struct"] != "gvp"):
        return None
    values = {} if found["task"] == "ppbs" else {"task": found["task"]}
    same = f"ppbs_{found['seq']}_{found['struct']}_{found['fusion']}"
    if same in SHIPPED:
        return _former(same, values)
    return _former(
        f"ppbs_{found['seq']}_{found['struct']}_global", values | {"fusion.name": found["fusion"]}
    )


def as_written(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config of a saved model or run, with what keys meant before they were there.

    Without `graph.cut`, pockets were cut out before features were computed.
    """
    graph = data.get("graph")
    if not isinstance(graph, dict) or "cut" in graph:
        return dict(data)
    return {**data, "graph": {**graph, "cut": True}}


def _former(base: str, values: dict[str, Any]) -> FormerConfig:
    if "fusion.name" in values:
        values["fusion.args"] = FUSION_ARGS.get(values["fusion.name"], {})
    return FormerConfig(base, values)
