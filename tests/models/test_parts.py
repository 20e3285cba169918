"""The parts of a model: each with random numbers of its own, none larger than the memory."""

from __future__ import annotations

from types import SimpleNamespace

import psutil
import pytest
import torch

from tests import shelf
from zoo.errors import ConfigError
from zoo.models.parts import built

SIDE = {"fusion": "local", "write_back": "side", "weights": "random"}


@pytest.mark.parametrize(
    "values, said",
    [
        ({"structure.args.head_dim": 900_000}, "part 'structure' needs more than the memory"),
        (
            {"fusion.args.gate_width": 1_000_000, "fusion.args.width": 1_000_000},
            "part 'fusion' needs more than the memory",
        ),
        ({"fusion.side_width": 1_000_000}, "part 'side' needs more than the memory"),
        ({"fusion.side_width": 10**12}, "fusion.side_width=1000000000000 is not valid"),
    ],
)
def test_a_part_that_no_memory_holds_is_refused(
    plm_folders: dict[str, str], values: dict[str, int], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        shelf.small_model(plm_folders["esm"], "gat", values=values, task="ppbs", **SIDE)


def test_a_part_is_refused_where_it_outgrows_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=5e6))
    seen = []

    def build() -> torch.nn.Module:
        layers = [torch.nn.Linear(100, 1000) for _ in range(5)]  # 0.4 MB each
        seen.append(len(layers))
        return torch.nn.Sequential(*layers, torch.nn.Linear(1000, 1000))  # and 4 MB

    with pytest.raises(ConfigError, match=r"lower the widths .* in head\.args"):
        built(0, "head", build)
    assert seen == [5]


def test_layers_without_end_are_refused(plm_folders: dict[str, str]) -> None:
    values = {"structure.args.num_layers": 999_999_999}
    with pytest.raises(ConfigError, match="it must be at most 1,000"):
        shelf.small_model(plm_folders["esm"], "gat", values=values, **SIDE)


def test_each_part_draws_numbers_of_its_own() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first, again, other = (built(1, name, lambda: torch.rand(3)) for name in ("a", "a", "b"))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(torch.rand(1), expected)  # the user's own go on
