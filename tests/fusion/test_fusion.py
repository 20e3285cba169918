"""What every registered fusion promises: rows in, rows out, proteins apart."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch
from torch import Tensor

from tests import shelf
from zoo.errors import ConfigError
from zoo.fusion import FUSIONS, Fused, Fusion
from zoo.fusion.base import spread
from zoo.models.arguments import part_of

D_SEQ, D_STRUCT = 10, 7
COUNTS = (1, 5, 2, 8)
PROTEIN = torch.repeat_interleave(torch.tensor(COUNTS))
NAMES = shelf.exchanging()
for_every_fusion = pytest.mark.parametrize("name", NAMES)
in_both_precisions = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
residual_or_not = pytest.mark.parametrize("residual", [True, False])


def fusion(name: str, dtype: torch.dtype = torch.float64, **given: Any) -> Fusion:
    torch.manual_seed(0)
    keywords = {"identity_start": False, **shelf.SMALL.get(name, {}), **given}
    return FUSIONS[name](D_SEQ, D_STRUCT, **keywords).to(dtype).eval()


def rows(seed: int = 1, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    widths = (D_SEQ, D_STRUCT)
    seq, struct = (torch.randn((len(PROTEIN), d), generator=generator) for d in widths)
    return seq.to(dtype), struct.to(dtype)


def hears_sequence_only(name: str) -> bool:
    seq, struct = rows()
    return torch.equal(fusion(name)(seq, struct, PROTEIN).seq, seq)


@for_every_fusion
@residual_or_not
@in_both_precisions
def test_batched_equals_single(name: str, residual: bool, dtype: torch.dtype) -> None:
    model = fusion(name, dtype, residual=residual)
    seq, struct = rows(dtype=dtype)
    together = model(seq, struct, PROTEIN)
    assert (together.seq.shape, together.struct.shape) == (seq.shape, struct.shape)
    for index in range(len(COUNTS)):
        mine = PROTEIN == index
        alone = model(seq[mine], struct[mine], torch.zeros(int(mine.sum()), dtype=torch.long))
        shelf.assert_close(together.seq[mine], alone.seq)
        shelf.assert_close(together.struct[mine], alone.struct)


@for_every_fusion
@residual_or_not
def test_proteins_do_not_mix(name: str, residual: bool) -> None:
    model, (seq, struct), (other_seq, other_struct) = (
        fusion(name, residual=residual),
        rows(),
        rows(2),
    )
    mine = PROTEIN < 2
    one = model(seq, struct, PROTEIN)
    other = model(
        torch.where(mine[:, None], seq, other_seq),
        torch.where(mine[:, None], struct, other_struct),
        PROTEIN,
    )
    assert torch.equal(one.seq[mine], other.seq[mine])
    assert torch.equal(one.struct[mine], other.struct[mine])
    assert not torch.equal(one.struct[~mine], other.struct[~mine])


@for_every_fusion
def test_row_order_does_not_matter(name: str) -> None:
    model, (seq, struct) = fusion(name), rows()
    order = torch.cat([torch.randperm(n) + sum(COUNTS[:i]) for i, n in enumerate(COUNTS)])
    before, after = model(seq, struct, PROTEIN), model(seq[order], struct[order], PROTEIN)
    shelf.assert_close(after.seq, before.seq[order])
    shelf.assert_close(after.struct, before.struct[order])


@for_every_fusion
def test_structure_hears_the_sequence(name: str) -> None:
    model, (seq, struct) = fusion(name), rows()
    changed = model(seq.flip(0), struct, PROTEIN)
    assert not torch.allclose(changed.struct, model(seq, struct, PROTEIN).struct)


@for_every_fusion
def test_sequence_hears_the_structure_unless_the_fusion_is_one_way(name: str) -> None:
    model, (seq, struct) = fusion(name), rows()
    changed, before = model(seq, struct.flip(0), PROTEIN), model(seq, struct, PROTEIN)
    if hears_sequence_only(name):
        assert name == "serial"
        assert torch.equal(changed.seq, before.seq)
    else:
        assert not torch.allclose(changed.seq, before.seq)


@for_every_fusion
def test_an_identity_start_leaves_both_branches_as_they_were(name: str) -> None:
    seq, struct = rows()
    fused = fusion(name, identity_start=True)(seq, struct, PROTEIN)
    assert torch.equal(fused.seq, seq) and torch.equal(fused.struct, struct)


@for_every_fusion
def test_an_identity_start_needs_a_residual(name: str) -> None:
    with pytest.raises(ValueError, match="identity_start=True needs residual=True"):
        fusion(name, identity_start=True, residual=False)


@for_every_fusion
@residual_or_not
def test_every_parameter_gets_a_finite_gradient(name: str, residual: bool) -> None:
    model = fusion(name, residual=residual).train()
    fused = model(*rows(), PROTEIN)
    out = torch.cat([fused.seq, fused.struct], dim=-1)
    (out * torch.randn_like(out)).sum().backward()
    gradients = {key: p.grad for key, p in model.named_parameters()}
    assert [key for key, g in gradients.items() if g is None or not g.any()] == []
    assert all(torch.isfinite(g).all() for g in gradients.values())


@for_every_fusion
def test_an_identity_start_still_learns(name: str) -> None:
    model = fusion(name, identity_start=True)
    fused = model(*rows(), PROTEIN)
    (fused.seq.square().sum() + fused.struct.square().sum()).backward()
    written = [p.grad for key, p in model.named_parameters() if "_out.map" in key]
    assert written and all(g.any() for g in written)


@for_every_fusion
def test_explaining_changes_no_output(name: str) -> None:
    model, (seq, struct) = fusion(name), rows()
    plain, explained = (model(seq, struct, PROTEIN, explain=asked) for asked in (False, True))
    assert torch.equal(plain.seq, explained.seq) and torch.equal(plain.struct, explained.struct)
    assert plain.weights is None


def explained(name: str) -> Fused:
    return fusion(name)(*rows(), PROTEIN, explain=True)


def test_gates_sum_to_one_a_residue() -> None:
    weights = explained("local").weights
    assert [tuple(w.shape) for w in weights] == [(n, 2) for n in COUNTS]
    for w in weights:
        shelf.assert_close(w.sum(-1), torch.ones(len(w)).double())


@pytest.mark.parametrize("name", ["global", "cross"])
def test_attention_rows_sum_to_one_over_both_branches(name: str) -> None:
    weights = explained(name).weights
    assert [tuple(w.shape) for w in weights] == [(2, 2 * n, 2 * n) for n in COUNTS]
    for w in weights:
        shelf.assert_close(w.sum(-1), torch.ones(w.shape[:2]).double())


def test_the_local_gate_is_the_known_equation() -> None:
    """g_i = softmax(f(x_seq) + f(x_struct)); x~ = g_0 x_seq + g_1 x_struct."""
    model, (seq, struct) = fusion("local"), rows()
    fused = model(seq, struct, PROTEIN, explain=True)
    gates = torch.cat(fused.weights)
    for i in range(len(seq)):
        a, b = model.common.seq_in(seq[i]), model.common.struct_in(struct[i])
        votes = model.votes(a) + model.votes(b)
        g = votes.exp() / votes.exp().sum()
        shelf.assert_close(gates[i], g)
        mixed = g[0] * a + g[1] * b
        shelf.assert_close(fused.seq[i], seq[i] + model.common.seq_out.map(mixed))
        shelf.assert_close(fused.struct[i], struct[i] + model.common.struct_out.map(mixed))


def test_global_attention_equals_pytorchs_own() -> None:
    model, (seq, struct) = fusion("global"), rows()
    fused = model(seq, struct, PROTEIN, explain=True)
    width = model.out.in_features
    theirs = torch.nn.MultiheadAttention(width, model.num_heads, batch_first=True).double()
    theirs.in_proj_weight.data, theirs.in_proj_bias.data = (
        model.query_key_value.weight.data, model.query_key_value.bias.data,
    )  # fmt: skip
    theirs.out_proj.load_state_dict(model.out.state_dict())
    for index, count in enumerate(COUNTS):
        mine = PROTEIN == index
        x = torch.cat(
            [
                model.common.seq_in(seq[mine]) + model.branch[0],
                model.common.struct_in(struct[mine]) + model.branch[1],
            ]
        )
        heard, weights = theirs(*[model.norm(x)[None]] * 3, average_attn_weights=False)
        y = x + heard[0]
        shelf.assert_close(fused.weights[index], weights[0])
        shelf.assert_close(fused.seq[mine], seq[mine] + model.common.seq_out.map(y[:count]))
        shelf.assert_close(
            fused.struct[mine], struct[mine] + model.common.struct_out.map(y[count:])
        )


@for_every_fusion
def test_no_rows_at_all_are_no_error(name: str) -> None:
    empty = torch.zeros(0, D_SEQ).double(), torch.zeros(0, D_STRUCT).double()
    fused = fusion(name)(*empty, torch.zeros(0, dtype=torch.long))
    assert (fused.seq.shape, fused.struct.shape) == ((0, D_SEQ), (0, D_STRUCT))


@pytest.mark.parametrize("name", FUSIONS)
@pytest.mark.parametrize("depths", [(33, 3), (6, 6), (3, 5), (1, 1), (48, 7)])
def test_placements_fit_any_depth(name: str, depths: tuple[int, int]) -> None:
    pairs = FUSIONS[name].placement(*depths)
    assert all(1 <= k <= depths[0] and 0 <= j <= depths[1] for k, j in pairs)
    assert all(a[0] < b[0] and a[1] <= b[1] for a, b in zip(pairs, pairs[1:], strict=False))


def test_an_even_spread_ends_at_the_last_layers() -> None:
    assert spread(33, 3) == ((11, 1), (22, 2), (33, 3))
    assert spread(6, 4)[-1] == (6, 4)
    assert len(spread(6, 4)) == 4


@pytest.mark.parametrize("name", sorted(set(FUSIONS) - set(NAMES)))
def test_a_fusion_without_exchange_cannot_be_built(name: str) -> None:
    with pytest.raises(ValueError, match="make no exchange"):
        FUSIONS[name](D_SEQ, D_STRUCT)


@pytest.mark.parametrize("name", FUSIONS)
def test_everything_but_the_widths_has_a_default_and_is_checked(name: str) -> None:
    parameters = inspect.signature(FUSIONS[name]).parameters.values()
    options = [p for p in parameters if p.kind is p.KEYWORD_ONLY]
    assert all(p.default is not p.empty for p in options)
    with pytest.raises(ConfigError, match="Unknown argument 'fusion.args.num_head'"):
        part_of(FUSIONS[name], {"num_head": 2}, "fusion.args.")
    if "dropout" in {p.name for p in options}:
        with pytest.raises(ConfigError, match=r"fusion\.args\.dropout=1\.5 is not valid"):
            part_of(FUSIONS[name], {"dropout": 1.5}, "fusion.args.")
