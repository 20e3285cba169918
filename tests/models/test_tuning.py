"""How much of a language model is trained."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import zoo
from tests import shelf
from zoo.errors import ConfigError

PROTEIN = shelf.ordinary()
WAYS: dict[str, dict[str, Any]] = {
    "lora": {"sequence.tuning": "lora", "sequence.lora.rank": 2},
    "last_n": {"sequence.tuning": "last_n", "sequence.last_n": 1},
    "full": {"sequence.tuning": "full"},
}


def make(folder: str, **values: Any) -> zoo.FusedModel:
    values = {"structure.args.num_layers": 2, "structure.args.hidden": 8, **values}
    return zoo.create_model(folder, "schnet", fusion="local", task="ppbs", values=values)


def trained(model: zoo.FusedModel) -> set[str]:
    named = model.named_parameters()
    return {name for name, p in named if p.requires_grad and name.startswith("seq.")}


@pytest.mark.parametrize("plm", shelf.SEQUENCE_KINDS)
@pytest.mark.parametrize("way", WAYS)
def test_what_is_trained_gets_a_gradient_and_nothing_else_changes(
    plm_folders: dict[str, str], plm: str, way: str
) -> None:
    model = make(plm_folders[plm], **WAYS[way]).train()
    before = {name: p.clone() for name, p in model.named_parameters()}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(2):  # an adapter's first matrix has no gradient while the second is zero
        optimizer.zero_grad()
        model(model.batch([PROTEIN])).square().mean().backward()
        optimizer.step()
    changed = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert {name for name in changed if name.startswith("seq.")} <= trained(model)
    layers = {name for name in changed if name.startswith("seq.") and "layer" in name.lower()}
    assert layers or way == "full"
    assert trained(model) != set()


@pytest.mark.parametrize("plm", shelf.SEQUENCE_KINDS)
@pytest.mark.parametrize("way", WAYS)
def test_what_is_trained_is_float32_and_computes_in_half_precision(
    plm_folders: dict[str, str], plm: str, way: str
) -> None:
    """A weight that half precision can hold changes no number by being kept in float32."""
    half = {"sequence.dtype": "bfloat16"}
    frozen, model = make(plm_folders[plm], **half), make(plm_folders[plm], **WAYS[way], **half)
    named = dict(model.named_parameters())
    assert {named[name].dtype for name in trained(model)} == {torch.float32}
    batch = frozen.batch([PROTEIN])
    with torch.no_grad():
        assert torch.equal(frozen.features(batch), model.features(batch))
    assert all(named[name] is p for name, p in model.named_parameters())
    model.train()(batch).square().mean().backward()
    assert any(named[name].grad is not None for name in trained(model))


@pytest.mark.parametrize("plm", shelf.SEQUENCE_KINDS)
def test_adapters_begin_as_nothing(plm_folders: dict[str, str], plm: str) -> None:
    plain, adapted = make(plm_folders[plm]), make(plm_folders[plm], **WAYS["lora"])
    batch = plain.batch([PROTEIN])
    assert torch.equal(plain.features(batch), adapted.features(batch))
    assert plain.recipe.fingerprint == adapted.recipe.fingerprint


@pytest.mark.parametrize("way", WAYS)
def test_only_what_is_trained_is_saved_and_comes_back(
    plm_folders: dict[str, str], way: str, tmp_path: Any
) -> None:
    model = make(plm_folders["esm"], **WAYS[way])
    with torch.no_grad():
        for p in model.parameters():
            if p.requires_grad:
                p += 0.01 * torch.randn_like(p)
    again = zoo.load_model(zoo.save_model(model, tmp_path))
    batch = model.batch([PROTEIN])
    assert torch.equal(model(batch), again(batch))
    from safetensors.torch import load_file

    saved = {name for name in load_file(tmp_path / "model.safetensors") if name.startswith("seq.")}
    assert saved == trained(model)


def test_the_last_layers_are_the_last(plm_folders: dict[str, str]) -> None:
    model = make(plm_folders["esm"], **WAYS["last_n"])
    assert model.seq is not None
    last = f"layer.{model.seq.num_layers - 1}."
    assert all(last in name for name in trained(model))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"sequence.tuning": "last_n", "sequence.last_n": 99}, "sequence.last_n=99"),
        ({"sequence.tuning": "lora", "sequence.lora.targets": ["attn"]}, "query"),
    ],
)
def test_what_is_not_there_is_named(
    plm_folders: dict[str, str], values: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        make(plm_folders["esm"], **values)
