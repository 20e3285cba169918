"""The Muon optimizer in float32; torch's own uses bfloat16, which many CPUs run 60 times slower."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
STEPS = 5
LIKE_ADAM = 0.2
"""Root mean square of AdamW's usual step, which Muon's is scaled to (arXiv:2502.16982, eq. 4)."""


class Muon(torch.optim.Optimizer):
    """Momentum whose matrices are made orthogonal before each step (Jordan, 2024).

    Args:
        matrices: Parameters with two axes.
        lr: Learning rate, on the scale of AdamW's.
        momentum: Momentum of the gradients, in Nesterov's form.
        weight_decay: Decoupled weight decay, as in AdamW.
    """

    def __init__(
        self, matrices: Iterable[Tensor], lr: float, momentum: float = 0.95, weight_decay: float = 0
    ) -> None:
        super().__init__(matrices, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Update the parameters by one step."""
        for group in self.param_groups:
            for matrix in group["params"]:
                held = self.state[matrix].setdefault("momentum", torch.zeros_like(matrix))
                held.lerp_(matrix.grad, 1 - group["momentum"])
                turned = orthogonal(matrix.grad.lerp(held, group["momentum"]))
                scale = LIKE_ADAM * max(matrix.shape) ** 0.5
                matrix.mul_(1 - group["lr"] * group["weight_decay"])
                matrix.add_(turned, alpha=-group["lr"] * scale)


def orthogonal(matrix: Tensor) -> Tensor:
    """Return a matrix with the same singular vectors, and singular values near 1.

    Five Newton-Schulz steps with a quintic polynomial bring them between 0.7 and 1.2.
    """
    wide = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if wide else matrix
    x = x / (x.norm() + 1e-7)
    a, b, c = COEFFICIENTS
    for _ in range(STEPS):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return x.T if wide else x
