"""Whether the largest batch fits into memory, found out before training and not by being killed."""

from __future__ import annotations

import torch

from zoo.errors import ConfigError
from zoo.memory import ADAM_COPIES, PeakTracker
from zoo.prediction import headroom
from zoo.training.data import TrainingData
from zoo.training.module import TrainingModule

MARGIN = 0.9
"""Share of the free memory that a step may be expected to take."""


def check_memory(module: TrainingModule, data: TrainingData, device: torch.device) -> None:
    """Run one small example forward and backward, and scale what it took to the largest batch.

    Raises:
        ConfigError: if that will not fit; names what it needs, what there is and what helps.
    """
    part = data.parts["train"]
    sizes = [sum(map(len, chains)) for chains in part.sequences]
    batches = data.sampler("train").batches(0)
    largest = max(sum(sizes[at] for at in batch) for batch in batches)
    longest = max(range(len(sizes)), key=lambda at: sizes[at])
    small = min(range(len(sizes)), key=lambda at: abs(sizes[at] - 100))
    rate = bytes_a_residue(module, data, small, max(sizes[small], 1))
    own = sum(p.numel() * p.element_size() for p in module.parameters() if p.requires_grad)
    need, free = largest * rate + (ADAM_COPIES - 1) * own, free_memory(device)
    if need <= MARGIN * free:
        return
    alone = sizes[longest] == largest
    what = f"{part.keys[longest]} of {largest:,} residues" if alone else f"{largest:,} residues"
    raise ConfigError(
        f"A step on a batch of {what} needs about {need / 1e9:.1f} GB, and {free / 1e9:.1f} GB of "
        f"memory are free. {_advice(module, alone)}"
    )


def _advice(module: TrainingModule, alone: bool) -> str:
    """Say what helps."""
    helps = []
    if not alone:
        helps.append(f"a smaller train.tokens (now {module.settings.tokens})")
    if not module.settings.checkpoint_activations:
        helps.append("train.checkpoint_activations=true")
    if module.model.seq is not None and module.model.side is None:
        helps.append("fusion.write_back=side, so that the language model does not run in training")
    helps += ["train.precision=bf16", "fewer layers or channels in structure.args"]
    return "What helps: " + "; ".join(helps) + "."


def bytes_a_residue(module: TrainingModule, data: TrainingData, at: int, residues: int) -> float:
    """Return what a training step allocates, by residue, from a step on one example."""
    batch = data.collate("train")(data.parts["train"].__getitems__([at]))
    module.train()
    with PeakTracker() as tracker:
        module.objective(module.model(batch.batch, batch.hidden), batch).backward()
    module.zero_grad(set_to_none=True)
    return tracker.peak / residues


def free_memory(device: torch.device) -> int:
    """Return the bytes that are free on a device."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return headroom.free_memory()
