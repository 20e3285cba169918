"""Half a language model, and one with smaller numbers, against the whole of it in float32.

    python benchmarks/lighter.py [esm2_8m esm2_35m] [--rounds 9] [--threads 1] [--device cuda]

`sequence.layers` at half the layers, `sequence.dtype=bfloat16`, and on a CPU int8 by PyTorch's
dynamic quantisation, which the zoo does not offer. Four chains of 90 to 310 residues, made up; the
weights are random. Also told is the least cosine of a residue's state to that of the whole in
float32.
"""

from __future__ import annotations

import argparse
import random
import sys
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent))
import race

import zoo
from zoo.backbones import packed

LENGTHS = (90, 150, 220, 310)
LETTERS = "ACDEFGHIKLMNPQRSTVWY"


def model(plm: str, device: str, **values: Any) -> Any:
    """Return a language model with random weights."""
    return zoo.create_model(plm, "none", weights="random", values=values).eval().seq.to(device)


def in_int8(plm: str) -> packed.Parts:
    """Return a language model whose linear maps are multiplied in int8."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it moves to torchao, which is a package of its own
        made = torch.ao.quantization.quantize_dynamic(
            model(plm, "cpu").model, {torch.nn.Linear}, dtype=torch.qint8
        )
    parts = packed.parts_of(made)
    assert parts is not None
    return parts


@torch.inference_mode()
def measure(plm: str, rounds: int, device: str) -> None:
    """Race the variants of one language model."""
    whole = model(plm, device)
    half = model(plm, device, **{"sequence.layers": whole.num_layers // 2})
    short = model(plm, device, **{"sequence.dtype": "bfloat16"})
    draw = random.Random(0)
    tokens = whole.tokenize(["".join(draw.choices(LETTERS, k=length)) for length in LENGTHS])
    given = tokens.ids.to(device), tokens.attend.to(device)
    works = {
        "whole, float32": lambda: whole(*given), "half the layers": lambda: half(*given),
        "bfloat16": lambda: short(*given),
    }  # fmt: skip
    if device == "cpu":
        parts = in_int8(plm)
        works["int8"] = lambda: packed.run(parts, *given)
    assert half.num_layers * 2 == whole.num_layers
    expected = works["whole, float32"]()
    for name in list(works)[2:]:
        print(f"{plm}, {name}: cosine {_least_cosine(works[name](), expected, given[1]):.5f}")
    print(plm)
    race.show(race.race(works, rounds, device=device), "whole, float32")


def _least_cosine(found: Tensor, expected: Tensor, attend: Tensor) -> float:
    cosines = torch.cosine_similarity(found[attend].float(), expected[attend], dim=-1)
    return float(cosines.min())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("plm", nargs="*", default=["esm2_8m", "esm2_35m"])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    given = parser.parse_args()
    race.header(given.threads, given.device)
    for plm in given.plm:
        measure(plm, given.rounds, given.device)


if __name__ == "__main__":
    main()
