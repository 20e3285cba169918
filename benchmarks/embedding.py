"""Language model embeddings of natural chains, against padded batches of 8 in file order.

    python benchmarks/embedding.py --data PPBS [--plm esm2_8m] [--chains 500] [--rounds 3]
    python benchmarks/embedding.py --plm esm2_650m --share [--dtype bfloat16]

PPBS is a folder of label files as ScanNet writes them: the chains' lengths are what matters. The
peer is `transformers`: its tokenizer's ids, `EsmModel`, an attention mask. Fewer chains are whole
batches of 8 out of the 500, evenly spaced. `--share` runs one length instead and tells the share of
the matrix product rate, measured between the rounds. The weights are random: speed does not depend
on them. On a GPU (`--device cuda`) both sides are padded batches, ours sorted by length.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent))
import race

import zoo
from zoo.backbones.hf import HFBackbone
from zoo.data.layouts.scannet import label_files
from zoo.data.reading.label_files import read_labels
from zoo.models.model import FusedModel
from zoo.prediction.embedding import compute
from zoo.prediction.inputs import batches, windows
from zoo.proteins.protein import Protein, from_sequence

BATCH, LISTED, LENGTH = 8, 500, 300


def chains(data: Path, count: int) -> list[Protein]:
    """Return chains in the order of the files: whole batches of 8, evenly spaced."""
    letters = ["".join(e.letters) for path in label_files(data) for e in read_labels(path)]
    found = [from_sequence(f"chain{i}", text) for i, text in enumerate(letters[:LISTED])]
    groups = [found[at : at + BATCH] for at in range(0, len(found), BATCH)]
    step = max(1, len(groups) * BATCH // count)
    return [protein for group in groups[::step] for protein in group][:count]


def padded(model: FusedModel, proteins: list[Protein], device: str) -> list[Tensor]:
    """Return (residues, width) of each chain as peers compute it."""
    seq, out = model.seq, []
    assert isinstance(seq, HFBackbone)
    for at in range(0, len(proteins), BATCH):
        texts = [protein.chains[0].sequence for protein in proteins[at : at + BATCH]]
        tokens = seq.tokenize(texts)
        hidden = seq.model(
            input_ids=tokens.ids.to(device), attention_mask=tokens.attend.long().to(device)
        ).last_hidden_state
        out += [hidden[row, 1 : 1 + len(text)].cpu() for row, text in enumerate(texts)]
    return out


def ours(model: FusedModel, proteins: list[Protein], device: str) -> list[Tensor]:
    """Return the same by the way of `zoo embed`."""
    assert model.seq is not None
    layer, out = str(model.seq.num_layers), {}
    for window in windows(proteins):
        for batch in batches(window, 4096):
            made = model.batch(batch)
            rows = compute(model, made.to(device), [layer])[layer].cpu()
            out |= {
                p.name: x for p, x in zip(batch, rows.split(list(map(len, batch))), strict=True)
            }
    return [out[protein.name] for protein in proteins]


def one_by_one(model: FusedModel, proteins: list[Protein], device: str) -> list[Tensor]:
    """Return the same in batches of one, by `transformers`."""
    return [padded(model, [protein], device)[0] for protein in proteins]


def race_chains(model: FusedModel, proteins: list[Protein], given: argparse.Namespace) -> None:
    """Compare the two, and single chains between them."""
    works: dict[str, Callable[[], list[Tensor]]] = {
        name: lambda way=way: way(model, proteins, given.device)
        for name, way in (
            ("padded batches of 8", padded), ("one by one", one_by_one), ("ours", ours)
        )
    }  # fmt: skip
    worst = max(
        ((a.float() - b.float()).abs().max() / b.float().abs().max()).item()
        for a, b in zip(works["ours"](), works["padded batches of 8"](), strict=True)
    )
    assert worst < (1e-4 if given.dtype == "float32" else 0.1), worst
    residues = sum(map(len, proteins))
    print(f"{given.plm}, {given.dtype}, {len(proteins)} chains of {residues / len(proteins):.0f} "
          f"residues on average: equal to {worst:.1e} of the largest value")  # fmt: skip
    times = race.race(works, given.rounds, warm=0, device=given.device)
    race.show(times, "padded batches of 8")
    print(f"  {residues / statistics.median(times['ours']):.0f} residues a second")


def share(model: FusedModel, given: argparse.Namespace) -> None:
    """Tell how near one length comes to the matrix product rate."""
    seq = model.seq
    assert isinstance(seq, HFBackbone)
    tokens = seq.tokenize(["ACDEFGHIKLMNPQRSTVWY"[:20] * (LENGTH // 20)] * given.batch)
    ids, attend = tokens.ids.to(given.device), tokens.attend.to(given.device)
    dtype = next(seq.parameters()).dtype
    a, b = (torch.randn(2048, 2048, device=given.device).to(dtype) for _ in range(2))
    times = race.race(
        {
            "matrix product": lambda: a @ b,
            "transformers": lambda: seq.model(ids, attend.long()),
            "ours": lambda: seq(ids, attend),
        },
        given.rounds, device=given.device,
    )  # fmt: skip
    rate = 2 * 2048**3 / min(times["matrix product"])
    weights = sum(p.numel() for p in seq.layers.parameters() if p.dim() == 2)
    flops = ids.numel() * 2 * (weights + 2 * seq.num_layers * seq.width * ids.shape[1])
    for name in ("transformers", "ours"):
        low, middle, high = race.quartiles([flops / x / rate for x in times[name]])
        speed = LENGTH * given.batch / statistics.median(times[name])
        print(f"  {name:14} {100 * middle:.0f} % ({100 * low:.0f} .. {100 * high:.0f}) of "
              f"{rate / 1e9:.0f} GFLOP/s, {speed:.0f} residues a second")  # fmt: skip


@torch.inference_mode()
def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--plm", default="esm2_8m")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--chains", type=int, default=LISTED)
    parser.add_argument("--share", action="store_true")
    parser.add_argument("--batch", type=int, default=1, help="chains at once, with --share")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    race.header(given.threads, given.device)
    model = zoo.create_model(
        given.plm, "none", weights="random", values={"sequence.dtype": given.dtype}
    ).eval().to(given.device)  # fmt: skip
    if given.share:
        share(model, given)
    else:
        race_chains(model, chains(given.data, given.chains), given)


if __name__ == "__main__":
    main()
