"""The second objective: linear heads read letters of the structure off the last states."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from zoo.backbones.tokenizer import ResidueTokenizer
from zoo.pretraining.crops import IGNORED, Crops, Letters, draw, whole
from zoo.pretraining.letters import ALPHABETS
from zoo.pretraining.network import states
from zoo.pretraining.structures import Structures


class StructureHeads(nn.Module):
    """A linear map from the last states to each kind of letter; no part of the saved model.

    Args:
        width: Width of the states.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.maps = nn.ModuleDict({k: nn.Linear(width, len(x)) for k, x in ALPHABETS.items()})

    def forward(self, hidden: Tensor) -> Letters:
        """Return logits (chains, tokens, letters) by kind, of states (chains, tokens, width)."""
        return {kind: own(hidden).float() for kind, own in self.maps.items()}

    def loss(self, model: Any, crops: Crops) -> Tensor:
        """Return the sum over kinds of the mean negative log-likelihood of known letters, in nats.

        A kind of which no letter is known adds nothing.
        """
        found = torch.zeros(())
        for kind, logits in self(states(model, crops.batch)).items():
            truth = crops.letters[kind]
            total = nn.functional.cross_entropy(
                logits.flatten(0, 1), truth.flatten(), reduction="sum", ignore_index=IGNORED
            )
            found = found + total / (truth != IGNORED).sum().clamp(min=1)
        return found

    @torch.no_grad()
    def accuracies(self, model: Any, looks: Sequence[Crops]) -> dict[str, float]:
        """Return the share of known letters that are told right, by kind, of kinds with any."""
        right, known = dict.fromkeys(ALPHABETS, 0), dict.fromkeys(ALPHABETS, 0)
        for crops in looks:
            for kind, logits in self(states(model, crops.batch)).items():
                truth = crops.letters[kind]
                right[kind] += int((logits.argmax(-1) == truth).sum())
                known[kind] += int((truth != IGNORED).sum())
        return {kind: right[kind] / count for kind, count in known.items() if count}


class StructureObjective:
    """The heads, and the chains that they are trained and scored on.

    Each step's chains are drawn anew by the seed and the number of the step, so a training that
    goes on needs no place in a sequence of batches.

    Args:
        structures: The chains.
        tokenizer: Tokenizer of ESM-2.
        width: Width of the states.
        longest: Largest number of residues of a crop.
        budget: Tokens of these chains in each step, padding included.
        weight: Weight of the loss.
        seed: Seed of the draws; the heads' first weights come from torch's generator.
    """

    def __init__(
        self, structures: Structures, tokenizer: ResidueTokenizer, *, width: int, longest: int,
        budget: int, weight: float, seed: int,
    ) -> None:  # fmt: skip
        self.chains, self.tokenizer = structures.train, tokenizer
        self.longest, self.budget, self.weight, self.seed = longest, budget, weight, seed
        self.heads = StructureHeads(width)
        rng = np.random.default_rng(seed)
        self.looks = whole(
            structures.validation, tokenizer, longest=longest, budget=budget, rng=rng
        )

    def loss(self, model: Any, step: int) -> Tensor:
        """Return the weighted loss of the letters of one step's chains."""
        crops = draw(
            self.chains, self.tokenizer, longest=self.longest, budget=self.budget,
            rng=np.random.default_rng((self.seed, step)),
        )  # fmt: skip
        return self.weight * self.heads.loss(model, crops)

    def accuracies(self, model: Any) -> dict[str, float]:
        """Return the accuracy of each kind of letter on the held-out chains, shown whole."""
        return self.heads.accuracies(model, self.looks)
