"""Contract 1: the language model runs its own loop and calls back after every layer."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import Tensor, nn

from tests import shelf
from zoo.backbones.hf import HFBackbone, find_layers
from zoo.errors import ConfigError

SEQUENCES = ["ACDEFGHIKLMNPQRSTVWY", "MKV", "W", "GGGGGSXSGGGGS"]
for_every_plm = pytest.mark.parametrize("kind", shelf.PLM_KINDS)


@pytest.fixture(scope="module", params=shelf.PLM_KINDS)
def plm(request: pytest.FixtureRequest) -> HFBackbone:
    return shelf.tiny_plm(request.param)


@torch.no_grad()
def taps(plm: HFBackbone, sequences: list[str] = SEQUENCES) -> tuple[dict[int, Tensor], Tensor]:
    seen: dict[int, Tensor] = {}

    def keep(k: int, h: Tensor) -> Tensor:
        seen[k] = h.clone()
        return h

    tokens = plm.tokenize(sequences)
    return seen, plm(tokens.ids, tokens.attend, keep)


@torch.no_grad()
def reference(plm: HFBackbone) -> tuple[list[Tensor], Tensor]:
    """What transformers itself says the hidden states are."""
    tokens = plm.tokenize(SEQUENCES)
    out = plm.model(
        input_ids=tokens.ids, attention_mask=tokens.attend.long(), output_hidden_states=True
    )
    return list(out.hidden_states), out.last_hidden_state


def final_norm(plm: HFBackbone) -> nn.Module:
    encoder = plm.model.encoder
    for name in ("emb_layer_norm_after", "final_layer_norm"):  # ESM, T5; BERT has none
        if hasattr(encoder, name):
            return getattr(encoder, name)
    return nn.Identity()


def test_an_identity_callback_changes_nothing(plm: HFBackbone) -> None:
    tokens = plm.tokenize(SEQUENCES)
    with torch.no_grad():
        alone = plm(tokens.ids, tokens.attend)
    assert torch.equal(taps(plm)[1], alone)
    assert torch.equal(reference(plm)[1], alone)


def test_layers_come_in_order_each_once(plm: HFBackbone) -> None:
    calls: list[int] = []
    tokens = plm.tokenize(SEQUENCES)
    with torch.no_grad():
        plm(tokens.ids, tokens.attend, lambda k, h: (calls.append(k), h)[1])
    assert calls == list(range(1, plm.num_layers + 1)) == [1, 2, 3]


def test_a_tap_is_the_hidden_state_and_the_last_comes_before_the_final_norm(
    plm: HFBackbone,
) -> None:
    (seen, out), (hidden, last) = taps(plm), reference(plm)
    for k in range(1, plm.num_layers):
        assert torch.equal(seen[k], hidden[k])
    shelf.assert_close(final_norm(plm)(seen[plm.num_layers]), hidden[-1])
    assert torch.equal(out, last) and torch.equal(out, hidden[-1])


def test_layer_zero_is_the_embedding(plm: HFBackbone) -> None:
    tokens = plm.tokenize(SEQUENCES)
    with torch.no_grad():
        assert torch.equal(plm.embedding(tokens.ids, tokens.attend), reference(plm)[0][0])


def test_what_a_callback_returns_is_what_the_model_goes_on_with(plm: HFBackbone) -> None:
    before, _ = taps(plm)
    tokens, after = plm.tokenize(SEQUENCES), {}

    def add(k: int, h: Tensor) -> Tensor:
        after[k] = h.clone()
        return h + 1.0 if k == 2 else h

    with torch.no_grad():
        plm(tokens.ids, tokens.attend, add)
    assert torch.equal(after[1], before[1]) and torch.equal(after[2], before[2])
    assert not torch.allclose(after[3], before[3])


def test_no_hook_stays_behind_even_after_an_error(plm: HFBackbone) -> None:
    def fail(k: int, h: Tensor) -> Tensor:
        raise RuntimeError

    def count() -> int:  # transformers has hooks of its own
        return sum(len(x._forward_hooks) + len(x._forward_pre_hooks) for x in plm.layers)

    tokens, before = plm.tokenize(SEQUENCES), count()
    with pytest.raises(RuntimeError):
        plm(tokens.ids, tokens.attend, fail)
    plm.embedding(tokens.ids, tokens.attend)
    assert count() == before


def test_padding_does_not_matter(plm: HFBackbone) -> None:
    batched, out = taps(plm)
    for row, sequence in enumerate(SEQUENCES):
        single, single_out = taps(plm, [sequence])
        length = len(sequence) + plm.tokenizer.num_special
        shelf.assert_close(out[row, :length], single_out[0], scale=5)
        for k in single:
            shelf.assert_close(batched[k][row, :length], single[k][0], scale=5)


def test_a_residue_hears_its_whole_chain_and_no_other(plm: HFBackbone) -> None:
    _, out = taps(plm, ["ACDEFGHIKL", "MNPQRSTVWY"])
    _, changed = taps(plm, ["ACDEFGHIKL", "MNPQRSTVWA"])
    assert torch.equal(out[0], changed[0])
    assert (out[1] != changed[1]).any(-1).all()


@for_every_plm
def test_a_frozen_model_takes_no_gradient_and_never_trains(kind: str) -> None:
    plm = shelf.tiny_plm(kind, frozen=True)
    holder = nn.Sequential(plm).train()
    assert holder.training and not any(module.training for module in plm.modules())
    assert not any(p.requires_grad for p in plm.parameters())
    tokens = plm.tokenize(SEQUENCES)
    assert torch.equal(*(plm(tokens.ids, tokens.attend) for _ in range(2)))


@for_every_plm
def test_a_model_that_is_not_frozen_trains_every_weight(kind: str) -> None:
    plm = shelf.tiny_plm(kind, frozen=False).train()
    assert all(module.training for module in plm.modules())
    tokens = plm.tokenize(SEQUENCES)
    out = plm(tokens.ids, tokens.attend)
    (out * torch.randn_like(out)).sum().backward()
    assert [name for name, p in plm.named_parameters() if p.grad is None] == []
    assert all(torch.isfinite(p.grad).all() for p in plm.parameters())


@pytest.mark.parametrize("kind", ["esm", "t5"])
def test_a_long_chain_warns_once_where_positions_go_on(kind: str) -> None:
    plm = shelf.tiny_plm(kind)
    longest = shelf.PLM_POSITIONS - plm.tokenizer.num_special
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plm.tokenize(["A" * longest])
    with pytest.warns(UserWarning, match=rf"{longest + 1} residues is longer than the {longest}"):
        tokens = plm.tokenize(["A" * (longest + 1), "A"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plm.tokenize(["A" * 200])
    assert torch.isfinite(plm(tokens.ids, tokens.attend)).all()


def test_a_long_chain_is_an_error_where_positions_end() -> None:
    plm = shelf.tiny_plm("bert")
    tokens = plm.tokenize(["A" * 62])
    assert torch.isfinite(plm(tokens.ids, tokens.attend)).all()
    with pytest.raises(ConfigError, match="63 residues is longer than the 62"):
        plm.tokenize(["A", "A" * 63])


@for_every_plm
def test_the_last_position_that_is_allowed_runs(kind: str) -> None:
    plm = shelf.tiny_plm(kind)
    assert plm.max_tokens == shelf.PLM_POSITIONS
    tokens = plm.tokenize(["A" * (plm.max_tokens - plm.tokenizer.num_special)])
    assert tokens.ids.shape[1] == plm.max_tokens
    assert torch.isfinite(plm(tokens.ids, tokens.attend)).all()


def test_an_encoder_without_a_list_of_layers_is_an_error() -> None:
    with pytest.raises(ConfigError, match="does not keep its 3 layers in one list"):
        find_layers(nn.Sequential(nn.Linear(1, 1)), 3)
