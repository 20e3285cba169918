"""Contract 1: the language model runs its own loop and calls back after every layer."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor, nn

from tests import shelf
from zoo.backbones import packed
from zoo.backbones.hf import HFBackbone, find_layers
from zoo.errors import ConfigError

SEQUENCES = ["ACDEFGHIKLMNPQRSTVWY", "MKV", "W", "GGGGGSXSGGGGS"]
for_every_plm = pytest.mark.parametrize("kind", shelf.SEQUENCE_KINDS)


@pytest.fixture(scope="module", params=shelf.SEQUENCE_KINDS)
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


def assert_same(plm: HFBackbone, ours: Tensor, theirs: Tensor) -> None:
    """Compare with transformers; ESM-2 and ESM C on a CPU are computed in another order."""
    attend = plm.tokenize(SEQUENCES).attend
    shelf.assert_close(ours[attend], theirs[attend])
    if packed.parts_of(plm.model) is None:
        assert torch.equal(ours, theirs)


def final_norm(plm: HFBackbone) -> nn.Module:
    encoder = getattr(plm.model, "encoder", plm.model)
    # ESM, T5, ESM C; BERT has none
    for name in ("emb_layer_norm_after", "final_layer_norm", "norm"):
        if hasattr(encoder, name):
            return getattr(encoder, name)
    return nn.Identity()


def test_an_identity_callback_changes_nothing(plm: HFBackbone) -> None:
    tokens = plm.tokenize(SEQUENCES)
    with torch.no_grad():
        alone = plm(tokens.ids, tokens.attend)
    assert torch.equal(taps(plm)[1], alone)
    assert_same(plm, reference(plm)[1], alone)


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
        assert_same(plm, seen[k], hidden[k])
    assert_same(plm, final_norm(plm)(seen[plm.num_layers]), hidden[-1])
    assert_same(plm, out, last)


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


@pytest.mark.parametrize("kind", ["esm", "esmc"])
def test_what_is_packed_gives_padding_zeros_and_goes_over_blocks_of_chains(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plm = shelf.tiny_plm(kind)
    seen, out = taps(plm)
    attend = plm.tokenize(SEQUENCES).attend
    assert all((h[~attend] == 0.0).all() for h in (*seen.values(), out))
    monkeypatch.setattr(packed, "BLOCK", 16)  # two chains, one, one
    again, out_again = taps(plm)
    shelf.assert_close(out_again, out)
    assert all(torch.isfinite(again[k]).all() for k in seen)
    assert packed.blocks([22, 5, 3, 15]) == [[22], [5, 3], [15]]


# ------------------------------------------------------------------------------ starting midway


@contextmanager
def computed(plm: HFBackbone) -> Iterator[list[int]]:
    """Tell which layers compute anything, by their first linear map."""
    ran: list[int] = []
    hooks = [
        next(m for m in layer.modules() if isinstance(m, nn.Linear)).register_forward_hook(
            lambda *_, k=k: ran.append(k)
        )
        for k, layer in enumerate(plm.layers, start=1)
    ]
    try:
        yield ran
    finally:
        for hook in hooks:
            hook.remove()


@pytest.mark.parametrize("k", range(1, shelf.NUM_PLM_LAYERS + 1))
@pytest.mark.parametrize("sequences", [SEQUENCES, ["MKVLAY"]], ids=["padded", "alone"])
def test_a_start_gives_bit_for_bit_what_the_full_run_does(
    plm: HFBackbone, k: int, sequences: list[str]
) -> None:
    (full, out), started = taps(plm, sequences), {}
    tokens = plm.tokenize(sequences)
    with torch.no_grad(), computed(plm) as ran:
        again = plm(
            tokens.ids, tokens.attend, lambda j, h: started.update({j: h}) or h, (k, full[k])
        )
    assert list(started) == list(range(k, plm.num_layers + 1))
    assert all(torch.equal(h, full[j]) for j, h in started.items())
    assert torch.equal(again, out)
    assert ran == list(range(k + 1, plm.num_layers + 1))


@for_every_plm
@pytest.mark.parametrize("k", range(1, shelf.NUM_PLM_LAYERS + 1))
def test_gradients_are_those_of_the_full_run_and_nothing_is_recorded_below(
    kind: str, k: int
) -> None:
    plm = shelf.tiny_plm(kind)
    full, tokens = taps(plm)[0], plm.tokenize(SEQUENCES)
    push = torch.randn(*tokens.ids.shape, plm.width)

    def gradient(start: tuple[int, Tensor] | None) -> Tensor:
        given = push.clone().requires_grad_()

        def add(j: int, h: Tensor) -> Tensor:
            assert h.requires_grad == (j > k)
            return h + given if j == k else h

        plm(tokens.ids, tokens.attend, add, start).square().sum().backward()
        return given.grad

    found = gradient((k, full[k]))
    assert found.any() and torch.equal(found, gradient(None))


@for_every_plm
def test_a_start_comes_in_any_dtype_and_what_is_padding_does_not_matter(kind: str) -> None:
    plm = shelf.tiny_plm(kind)
    (full, _), tokens = taps(plm), plm.tokenize(SEQUENCES)
    half = full[1].bfloat16()
    with torch.no_grad():
        out = plm(tokens.ids, tokens.attend, start=(1, half))
        zeros = half.masked_fill(~tokens.attend[:, :, None], 0.0)
        other = plm(tokens.ids, tokens.attend, start=(1, zeros))
        exact = plm(tokens.ids, tokens.attend, start=(1, half.float()))
    assert out.dtype == torch.float32 and torch.equal(out, exact)
    assert torch.equal(out[tokens.attend], other[tokens.attend])


def test_the_layers_are_as_they_were_after_a_start_even_after_an_error(plm: HFBackbone) -> None:
    def fail(k: int, h: Tensor) -> Tensor:
        raise RuntimeError

    before, tokens = taps(plm), plm.tokenize(SEQUENCES)
    with pytest.raises(RuntimeError):
        plm(tokens.ids, tokens.attend, fail, (2, before[0][2]))
    assert not any("forward" in vars(layer) for layer in plm.layers)
    assert torch.equal(taps(plm)[1], before[1])


def test_a_start_that_does_not_fit_is_an_error() -> None:
    plm = shelf.tiny_plm("esm")
    tokens = plm.tokenize(["MKV"])
    h = torch.zeros(1, 5, plm.width)
    for k in (0, 4):
        with pytest.raises(ValueError, match=f"after layer {k}; there are 1 to 3"):
            plm(tokens.ids, tokens.attend, start=(k, h))
    with pytest.raises(ValueError, match=r"start of \(1, 3, 32\), not \(1, 5, 32\)"):
        plm(tokens.ids, tokens.attend, start=(1, h[:, :3]))
    plm.can_start_midway = False
    with pytest.raises(ValueError, match="EsmModel cannot start midway"):
        plm(tokens.ids, tokens.attend, start=(1, h))


# ---------------------------------------------------------------------------------- ways to fail


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


@pytest.mark.parametrize("kind", ["esm", "t5", "esmc"])
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
