"""Save small models of this version: python -m tests.kept.make. Never over those that are there."""

from __future__ import annotations

import json
from pathlib import Path

import torch

import zoo
from zoo.backbones import STRUCTURE_BACKBONES
from zoo.examples import example
from zoo.fusion import FUSIONS
from zoo.models.model import FusedModel

HOME = Path(__file__).parent
TINY = {
    "gvp": {"scalars": 8, "vectors": 4, "edge_scalars": 8, "type_width": 4},
    "gat": {"num_heads": 2, "head_dim": 4},
    "schnet": {"hidden": 8, "num_filters": 8},
    "egnn": {"hidden": 8},
    "gearnet": {"hidden": 8},
    "mpnn": {"hidden": 8},
    "pronet": {"hidden": 8, "middle": 4, "num_radial": 3},
    "cdconv": {"hidden": 8, "inner": 4, "kernel_channels": 4},
}


def models() -> dict[str, FusedModel]:
    """Return a model of every graph network alone, and of every fusion with `plm_mini`.

    Those of the second revision have its number in their names. The first one's were saved before
    revisions were numbered.
    """
    found = {name: _tiny("none", name, "none", 1) for name in STRUCTURE_BACKBONES}
    for fusion in FUSIONS:
        if fusion != "none":
            found[f"plm_mini_{fusion}"] = _tiny("plm_mini", "gat", fusion, 1)
            found[f"plm_mini_{fusion}_2"] = _tiny("plm_mini", "gat", fusion, 2)
    return found


def _tiny(seq: str, struct: str, fusion: str, revision: int) -> FusedModel:
    values = {f"structure.args.{key}": x for key, x in TINY.get(struct, {}).items()}
    values |= {
        "revision": revision,
        "structure.args.num_layers": 2,
        "graph.k": 8,
        "head.args.hidden": 8,
        "structure.weights": "random",
    }
    if fusion in ("local", "global"):
        values |= {"fusion.args.identity_start": False, "fusion.side_width": 8}
        values |= {"fusion.write_back": "side" if revision == 1 else "deep"}
    if fusion == "local":
        values |= {"fusion.args.width": 8, "fusion.args.gate_width": 8}
    if fusion == "global":
        values |= {"fusion.args.num_heads": 2, "fusion.args.head_dim": 4}
    weights = "random" if seq == "none" else "pretrained"
    return zoo.create_model(seq, struct, fusion=fusion, task="ppbs", weights=weights, seed=1,
                            values=values)  # fmt: skip


def logits(model: FusedModel) -> list[float]:
    """Return what a model says of the shipped protein."""
    with torch.no_grad():
        out: list[float] = model(model.batch([example()])).flatten().tolist()
    return out


if __name__ == "__main__":
    version = HOME / zoo.__version__
    for name, model in models().items():
        if not (version / name).exists():
            zoo.save_model(model, version / name)
            (version / name / "README.md").unlink()
            rounded = [round(x, 7) for x in logits(model)]
            (version / name / "expected.json").write_text(json.dumps(rounded) + "\n")
            print(version / name)
