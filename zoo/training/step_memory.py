"""Check before training that the largest batch will fit into memory."""

from __future__ import annotations

import torch

from zoo.models.memory import ADAM_COPIES, PeakTracker
from zoo.system.memory import check_fits
from zoo.training.data import TrainingData
from zoo.training.module import TrainingModule


def check_memory(module: TrainingModule, data: TrainingData, device: torch.device) -> None:
    """Run a step on one small example, and scale its memory to the largest batch.

    Raises:
        ConfigError: if that will not fit; names the memory needed, the memory free and remedies.
    """
    part = data.parts["train"]
    sizes = [sum(map(len, chains)) for chains in part.sequences]
    batches = data.sampler("train").batches(0)
    largest = max(sum(sizes[at] for at in batch) for batch in batches)
    longest = max(range(len(sizes)), key=lambda at: sizes[at])
    small = min(range(len(sizes)), key=lambda at: abs(sizes[at] - 100))
    rate = bytes_a_residue(module, data, small, max(sizes[small], 1))
    own = sum(p.numel() * p.element_size() for p in module.parameters() if p.requires_grad)
    need = largest * rate + (ADAM_COPIES - 1) * own
    alone = sizes[longest] == largest
    what = f"{part.keys[longest]} of {largest:,} residues" if alone else f"{largest:,} residues"
    check_fits(f"A step on a batch of {what}", need, _advice(module, alone), str(device))


def _advice(module: TrainingModule, alone: bool) -> str:
    """Return a sentence on what lowers the memory of a step."""
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
    """Return the bytes that a training step allocates per residue, measured on one example."""
    batch = data.collate("train")(data.parts["train"].__getitems__([at]))
    module.train()
    with PeakTracker() as tracker:
        module.objective(module.model(batch.batch, batch.hidden), batch).backward()
    module.zero_grad(set_to_none=True)
    return tracker.peak / residues
