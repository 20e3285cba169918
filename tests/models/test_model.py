"""What a fused model promises, whatever its parts."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests import shelf
from zoo.backbones import STRUCTURE_BACKBONES
from zoo.backbones.message_passing import use_engine
from zoo.errors import ConfigError, StructureError
from zoo.fusion import FUSIONS, Fused, Fusion
from zoo.models.blueprint import resolve
from zoo.models.create import build_model, create_model
from zoo.models.model import FusedModel
from zoo.proteins.batch import Batch
from zoo.proteins.graph import VECTOR_FIELDS
from zoo.proteins.protein import from_sequence
from zoo.settings.config import config_names, load_config
from zoo.tasks import TASKS

WRITE_BACKS = ["deep", "side"]
KINDS = ["residue", "atom"]
PROTEINS = list(shelf.SHELF.values())
FEW = [shelf.SHELF[name] for name in ("unresolved", "with ligand", "two chains")]
#: Baselines of one branch are tested by themselves below.
JOINING = [name for name in FUSIONS if name != "none"]
of_every_backbone = pytest.mark.parametrize("struct", STRUCTURE_BACKBONES)
of_every_fusion = pytest.mark.parametrize("fusion", JOINING)
of_every_exchange = pytest.mark.parametrize("fusion", shelf.exchanging())
in_both_ways = pytest.mark.parametrize("write_back", WRITE_BACKS)
on_both_graphs = pytest.mark.parametrize("kind", KINDS)

Make = Callable[..., FusedModel]


@pytest.fixture(scope="module")
def make(plm_folders: dict[str, str]) -> Make:
    """Small models whose exchanges do something from the start, unless told otherwise.

    With BERT: it alone computes in float64 all through (ESM rotates, T5 attends in float32).
    """

    def made(
        struct: str = "gvp", fusion: str = "global", *, plm: str = "bert", kind: str = "residue",
        identity_start: bool = False, dtype: torch.dtype = torch.float64, **given: Any,
    ) -> FusedModel:  # fmt: skip
        values = {"graph.kind": kind, "graph.ligands": True, **given.pop("values", {})}
        if kind == "atom":
            values["graph.radius"] = 4.0
        if fusion in shelf.exchanging():
            values.setdefault("fusion.args.identity_start", identity_start)
        seq = plm if plm == "none" else plm_folders[plm]
        return shelf.small_model(seq, struct, fusion, values=values, **given).to(dtype)

    return made


def batch_of(model: FusedModel, proteins: list = FEW) -> Batch:
    batch = model.batch(proteins)
    dtype = next(model.parameters()).dtype
    return dataclasses.replace(batch, graph=batch.graph.float_to(dtype))


def with_other_tokens(batch: Batch) -> Batch:
    """Return the batch with two residues of every chain swapped, in the sequence branch alone."""
    tokens = batch.tokens.clone()
    for row, attend in enumerate(batch.attend):
        middle = int(attend.sum()) // 2
        tokens[row, [middle - 1, middle]] = tokens[row, [middle, middle - 1]]
        tokens[row, middle] = tokens[row, middle - 1] % 20 + 4
    return dataclasses.replace(batch, tokens=tokens)


def with_other_structure(batch: Batch) -> Batch:
    """Return the batch with the structure branch's input changed."""
    graph = batch.graph
    nodes = {k: x * 1.3 if k in VECTOR_FIELDS else x for k, x in graph.nodes.items()}
    nodes["node_type"] = (nodes["node_type"] + 1) % 9
    edges = {k: x * 1.3 if k in ("edge_s", "dist") else x for k, x in graph.edges.items()}
    return dataclasses.replace(batch, graph=dataclasses.replace(graph, nodes=nodes, edges=edges))


def parts(model: FusedModel, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the sequence and the structure columns of the features."""
    with torch.no_grad():
        features = model.features(batch)
    width = (model.side or model.seq).width
    return features[:, :width], features[:, width:]


# ------------------------------------------------------------------------------- batches, space


@of_every_backbone
@of_every_fusion
@in_both_ways
@on_both_graphs
def test_batched_equals_single(
    make: Make, struct: str, fusion: str, write_back: str, kind: str
) -> None:
    model = make(struct, fusion, write_back=write_back, kind=kind)
    with torch.no_grad():
        together = model.features(batch_of(model, PROTEINS))
        alone = torch.cat([model.features(batch_of(model, [p])) for p in PROTEINS])
    assert together.shape[1] == model.width
    shelf.assert_close(together, alone, scale=20)


@pytest.mark.parametrize("plm", shelf.PLM_KINDS)
@pytest.mark.parametrize("engine", shelf.ENGINES)
@in_both_ways
def test_batched_equals_single_for_every_language_model_in_float32(
    make: Make, plm: str, engine: str, write_back: str
) -> None:
    model = make(plm=plm, write_back=write_back, dtype=torch.float32)
    with torch.no_grad(), use_engine(engine):
        together = model.features(batch_of(model, PROTEINS))
        alone = torch.cat([model.features(batch_of(model, [p])) for p in PROTEINS])
    shelf.assert_close(together, alone, scale=20)


@of_every_backbone
@in_both_ways
@on_both_graphs
def test_features_stay_when_the_protein_turns(
    make: Make, struct: str, write_back: str, kind: str
) -> None:
    model = make(struct, write_back=write_back, kind=kind)
    batch = batch_of(model)
    turned = shelf.turned(batch.graph, torch.from_numpy(shelf.rotation(6)))
    with torch.no_grad():
        before = model.features(batch)
        after = model.features(dataclasses.replace(batch, graph=turned))
    shelf.assert_close(after, before, scale=20)


@of_every_backbone
@in_both_ways
def test_features_stay_when_the_coordinates_turn_and_move(
    make: Make, struct: str, write_back: str
) -> None:
    model = make(struct, write_back=write_back, dtype=torch.float32)
    moved = [shelf.rotate(p, shelf.rotation(7), (30, 5, -50)) for p in FEW]
    with torch.no_grad():
        before, after = (model.features(batch_of(model, proteins)) for proteins in (FEW, moved))
    torch.testing.assert_close(after, before, rtol=5e-3, atol=5e-3)


@of_every_backbone
@of_every_fusion
@in_both_ways
@on_both_graphs
def test_node_order_does_not_matter(
    make: Make, struct: str, fusion: str, write_back: str, kind: str
) -> None:
    model = make(struct, fusion, write_back=write_back, kind=kind)
    batch = batch_of(model, [shelf.with_ligand()])
    order = torch.randperm(batch.graph.total_nodes, generator=torch.Generator().manual_seed(1))
    other = dataclasses.replace(
        batch, graph=shelf.permuted(batch.graph, order), node_token=batch.node_token[order]
    )
    with torch.no_grad():
        shelf.assert_close(model.features(other), model.features(batch)[order], scale=20)


@of_every_fusion
@in_both_ways
@on_both_graphs
def test_proteins_do_not_mix(make: Make, fusion: str, write_back: str, kind: str) -> None:
    model = make(fusion=fusion, write_back=write_back, kind=kind)
    first = shelf.two_chains()
    with torch.no_grad():
        outs = [
            model.features(batch_of(model, [first, second]))
            for second in (shelf.ordinary(16, seed=1), shelf.ordinary(16, seed=2))
        ]
    count = model.batch([first]).graph.total_nodes
    assert torch.equal(outs[0][:count], outs[1][:count])
    assert not torch.allclose(outs[0][count:], outs[1][count:])


# -------------------------------------------------------------------------- flow of information


def sequence_reaches_structure(fusion: str) -> bool:
    return bool(FUSIONS[fusion].placement(3, 3))


def structure_reaches_sequence(fusion: str) -> bool:
    return sequence_reaches_structure(fusion) and fusion != "serial"


@of_every_fusion
@in_both_ways
def test_information_flows_where_the_fusion_says(make: Make, fusion: str, write_back: str) -> None:
    model = make(fusion=fusion, write_back=write_back)
    batch = batch_of(model)
    seq, struct = parts(model, batch)
    seq_after_tokens, struct_after_tokens = parts(model, with_other_tokens(batch))
    seq_after_graph, struct_after_graph = parts(model, with_other_structure(batch))
    assert not torch.allclose(seq_after_tokens, seq)
    assert not torch.allclose(struct_after_graph, struct)
    assert torch.equal(struct_after_tokens, struct) != sequence_reaches_structure(fusion)
    assert torch.equal(seq_after_graph, seq) != structure_reaches_sequence(fusion)


@contextmanager
def recorded(model: FusedModel) -> Iterator[tuple[dict, dict, dict, dict]]:
    """Record what enters and what leaves every layer of both branches."""
    seq_in, seq_out, struct_in, struct_out = {}, {}, {}, {}
    run_seq = model.seq.forward

    def forward_of_seq(
        tokens: Tensor, attend: Tensor, on_layer: Any = None, start: Any = None
    ) -> Tensor:
        def watch(k: int, h: Tensor) -> Tensor:
            seq_out[k] = h
            taken = h if on_layer is None else on_layer(k, h)
            seq_in[k + 1] = taken.detach().clone()
            return taken

        return run_seq(tokens, attend, watch, start)

    model.seq.forward = forward_of_seq
    run_layer = model.struct.layer

    def layer_of_struct(graph: Any, state: Any, index: int) -> Any:
        struct_in[index + 1] = state.s
        result = run_layer(graph, state, index)
        struct_out[index + 1] = result.s
        return result

    model.struct.layer = layer_of_struct
    try:
        yield seq_in, seq_out, struct_in, struct_out
    finally:
        del model.struct.layer, model.seq.forward


def outputs_of_layers(model: FusedModel, batch: Batch) -> tuple[dict, dict]:
    with torch.no_grad(), recorded(model) as (_, seq, _, struct):
        model.features(batch)
    return seq, struct


@pytest.mark.parametrize("plm", ["esm", "bert"])
def test_nothing_flows_before_the_first_exchange(make: Make, plm: str) -> None:
    model = make(plm=plm, fuse_after=[(2, 1)])
    batch = batch_of(model)
    seq, struct = outputs_of_layers(model, batch)
    seq_after_graph, _ = outputs_of_layers(model, with_other_structure(batch))
    _, struct_after_tokens = outputs_of_layers(model, with_other_tokens(batch))
    assert [torch.equal(seq[k], seq_after_graph[k]) for k in (1, 2, 3)] == [True, True, False]
    same = [torch.equal(struct[j], struct_after_tokens[j]) for j in (1, 2, 3)]
    assert same == [True, False, False]


@of_every_exchange
@on_both_graphs
def test_a_deep_exchange_leaves_tokens_without_a_node_bit_for_bit(
    make: Make, fusion: str, kind: str
) -> None:
    """Special tokens, padding and unresolved residues."""
    model = make(fusion=fusion, fuse_after=[(1, 1)], kind=kind)
    batch = batch_of(model)
    with torch.no_grad(), recorded(model) as (entering, leaving, _, _):
        model.features(batch)
    before, after = leaving[1].flatten(0, 1), entering[2].flatten(0, 1)
    linked = torch.zeros(len(before), dtype=torch.bool)
    linked[batch.node_token[batch.node_token >= 0]] = True
    assert (~linked).sum() > 2 * len(batch.tokens)
    assert torch.equal(before[~linked], after[~linked])
    if structure_reaches_sequence(fusion):
        assert (before[linked] != after[linked]).any(-1).all()


@of_every_exchange
@in_both_ways
@on_both_graphs
def test_an_exchange_leaves_ligand_atoms_as_they_were(
    make: Make, fusion: str, write_back: str, kind: str
) -> None:
    model = make(fusion=fusion, fuse_after=[(2, 1)], write_back=write_back, kind=kind)
    batch = batch_of(model)
    with torch.no_grad(), recorded(model) as (_, _, entering, leaving):
        model.features(batch)
    ligand = batch.node_token < 0
    assert ligand.sum() == 3
    assert torch.equal(leaving[1][ligand], entering[2][ligand])
    assert (leaving[1][~ligand] != entering[2][~ligand]).any(-1).all()


@of_every_fusion
@in_both_ways
@on_both_graphs
def test_nodes_without_a_token_have_no_sequence_features(
    make: Make, fusion: str, write_back: str, kind: str
) -> None:
    model = make(fusion=fusion, write_back=write_back, kind=kind)
    batch = batch_of(model)
    seq, struct = parts(model, batch)
    unlinked = batch.node_token < 0
    assert seq[unlinked].eq(0).all() and seq[~unlinked].ne(0).any(-1).all()
    assert struct[unlinked].ne(0).any(-1).all()


class Identity(Fusion):
    def forward(
        self, seq: Tensor, struct: Tensor, protein: Tensor, *, explain: bool = False
    ) -> Fused:
        return Fused(seq, struct)

    @staticmethod
    def placement(seq_layers: int, struct_layers: int) -> tuple:
        return ()


@of_every_exchange
@in_both_ways
@on_both_graphs
def test_an_identity_start_is_the_two_branches_as_they_were(
    make: Make, fusion: str, write_back: str, kind: str
) -> None:
    model = make(fusion=fusion, write_back=write_back, kind=kind, identity_start=True)
    batch = batch_of(model)
    with torch.no_grad():
        started = model.features(batch)
        model.exchanges = nn.ModuleList(Identity() for _ in model.exchanges)
        shelf.assert_close(started, model.features(batch))
    if write_back == "deep":
        alone = make(fusion="parallel", kind=kind)
        with torch.no_grad():
            shelf.assert_close(started, alone.features(batch))


# ------------------------------------------------------------------------------------- training


def backward(model: FusedModel, batch: Batch) -> dict[str, Tensor | None]:
    model.train()
    out = model.features(batch) if model.head is None else model(batch)
    (out * torch.randn_like(out)).sum().backward()
    return {name: p.grad for name, p in model.named_parameters() if p.requires_grad}


@of_every_backbone
@of_every_fusion
@in_both_ways
def test_every_trainable_parameter_gets_a_finite_gradient(
    make: Make, struct: str, fusion: str, write_back: str
) -> None:
    model = make(struct, fusion, write_back=write_back, task="ppbs")
    gradients = backward(model, batch_of(model, PROTEINS))
    assert [name for name, g in gradients.items() if g is None] == []
    assert all(torch.isfinite(g).all() for g in gradients.values())
    silent = {name for name, g in gradients.items() if not g.any()}
    assert silent == (set() if fusion == "serial" else shelf.ON_ZEROS.get(struct, set()))
    assert not any(name.startswith("seq.") for name in gradients)


@of_every_fusion
@in_both_ways
@on_both_graphs
def test_the_gradient_is_the_slope_of_the_output(
    make: Make, fusion: str, write_back: str, kind: str
) -> None:
    model = make(fusion=fusion, write_back=write_back, kind=kind)
    batch = batch_of(model, [shelf.with_ligand()])
    parameters = [p for p in model.parameters() if p.requires_grad]
    weights = torch.linspace(-1, 1, model.width).double()

    def loss() -> Tensor:
        return (model.features(batch) * weights).sum()

    loss().backward()
    directions = [torch.randn_like(p) for p in parameters]
    slope = sum((p.grad * d).sum() for p, d in zip(parameters, directions, strict=True))
    step, values = 1e-9, []  # a ReLU whose input is nearer to 0 would have another slope
    with torch.no_grad():
        for sign in (1, -2):  # one step forward, then to one step backward
            for p, d in zip(parameters, directions, strict=True):
                p += sign * step * d
            values.append(loss())
    torch.testing.assert_close((values[0] - values[1]) / (2 * step), slope, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("plm", shelf.PLM_KINDS)
def test_a_language_model_that_is_not_frozen_learns_through_the_exchanges(
    make: Make, plm: str
) -> None:
    model = make(plm=plm, values={"sequence.tuning": "full"})
    gradients = backward(model, batch_of(model, PROTEINS))
    assert any(name.startswith("seq.") for name in gradients)
    assert [name for name, g in gradients.items() if g is None] == []
    assert all(torch.isfinite(g).all() for g in gradients.values())


@pytest.mark.parametrize("plm", shelf.PLM_KINDS)
@in_both_ways
def test_a_frozen_language_model_stays_as_it_is(make: Make, plm: str, write_back: str) -> None:
    model = make(plm=plm, write_back=write_back)
    before = {name: p.clone() for name, p in model.named_parameters()}
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.1)
    backward(model, batch_of(model))
    optimizer.step()
    assert not any(module.training for module in model.seq.modules())
    for name, p in model.named_parameters():
        assert torch.equal(p, before[name]) == name.startswith("seq."), name


@pytest.mark.parametrize("plm", shelf.PLM_KINDS)
def test_autograd_records_nothing_before_the_first_exchange(make: Make, plm: str) -> None:
    model = make(plm=plm, fuse_after=[(2, 1), (3, 2)]).train()
    with recorded(model) as (_, leaving, _, _):
        model.features(batch_of(model))
    assert [leaving[k].requires_grad for k in (1, 2, 3)] == [False, False, True]


def test_training_mode_turns_dropout_on_and_evaluation_mode_off(make: Make) -> None:
    model = make()
    batch = batch_of(model)
    with torch.no_grad():
        assert torch.equal(model.features(batch), model.features(batch))
        model.train()
        assert not torch.equal(model.features(batch), model.features(batch))


@of_every_fusion
@pytest.mark.parametrize("plm", shelf.PLM_KINDS)
@in_both_ways
@on_both_graphs
def test_stored_and_live_hidden_states_give_the_same_output(
    make: Make, fusion: str, plm: str, write_back: str, kind: str
) -> None:
    model = make(fusion=fusion, plm=plm, kind=kind, write_back=write_back)
    batch = batch_of(model)
    stored = model.tap(batch)
    assert set(stored) == set(model.taps)
    assert not any(h.requires_grad for h in stored.values())
    needed = batch
    if write_back == "side":
        assert model.seq.num_layers in stored
        needed = dataclasses.replace(batch, tokens=None, attend=None)
    with torch.no_grad():
        assert torch.equal(model.features(needed, stored), model.features(batch))


@of_every_fusion
@pytest.mark.parametrize("plm", shelf.PLM_KINDS)
def test_a_deep_model_goes_on_from_its_first_exchange(make: Make, fusion: str, plm: str) -> None:
    """Or from the last layer, without one: then only the final norm runs."""
    model = make(fusion=fusion, plm=plm, dtype=torch.float32)
    batch, ran = batch_of(model), []
    first = min((k for k, _ in model.fuse_after), default=model.seq.num_layers)
    assert model.taps == (first,)
    for k, layer in enumerate(model.seq.layers, start=1):
        linear = next(m for m in layer.modules() if isinstance(m, nn.Linear))
        linear.register_forward_hook(lambda *_, k=k: ran.append(k))
    stored = model.tap(batch)
    assert stored[first].shape == (*batch.tokens.shape, model.seq.width)
    assert ran == list(range(1, first + 1))  # what follows would only be run twice
    ran.clear()
    model.features(batch, stored)
    assert ran == list(range(first + 1, model.seq.num_layers + 1))


@of_every_fusion
@pytest.mark.parametrize("plm", shelf.PLM_KINDS)
def test_gradients_are_the_same_from_stored_and_live_states(
    make: Make, fusion: str, plm: str
) -> None:
    model = make(fusion=fusion, plm=plm, task="ppbs", dtype=torch.float32)
    batch, found = batch_of(model), []
    for hidden in (None, model.tap(batch)):
        model.zero_grad()
        model(batch, hidden).square().sum().backward()
        found.append([p.grad for p in model.parameters() if p.requires_grad])
    assert all(torch.equal(live, stored) for live, stored in zip(*found, strict=True))


def test_sequence_alone_goes_on_from_the_last_layer(make: Make) -> None:
    model = make("none", "none", values={"graph.kind": "residue"})
    batch = model.batch([from_sequence("one", "ACDXK"), from_sequence("two", "MK")])
    assert model.taps == (3,)
    with torch.no_grad():
        assert torch.equal(model.features(batch, model.tap(batch)), model.features(batch))


def test_stored_states_are_refused_where_they_do_not_fit(make: Make) -> None:
    model = make(write_back="deep", fuse_after=[(2, 1), (3, 2)])
    batch = batch_of(model)
    rows = torch.zeros(*batch.tokens.shape, model.seq.width)
    for hidden in ({}, {3: rows}, {1: rows}):
        with pytest.raises(ValueError, match=r"the model takes \[2\]"):
            model.features(batch, hidden)
    with pytest.raises(ValueError, match="start of"):
        model.features(batch, {2: rows[0]})
    alone = make(plm="none", fusion="none")
    with pytest.raises(ValueError, match=r"the model takes \[\]"):
        alone.features(batch_of(alone), {2: rows})


def assert_asks_nothing(model: Any) -> None:
    """Run a step from stored states on meta tensors: what asks for a value fails on them.

    They have none. On a GPU, what asks for one waits for it.
    """
    batch = model.batch(FEW)
    hidden = {k: h.to("meta") for k, h in model.tap(batch).items()}
    with use_engine("torch"):
        model.to("meta")(batch.to("meta"), hidden).sum().backward()
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)


@pytest.mark.parametrize("case", shelf.backbone_cases(), ids=shelf.case_id)
@pytest.mark.parametrize("kind, task", [("residue", "ppbs"), ("residue", "lba"), ("atom", "lba")])
def test_a_step_from_stored_states_never_waits_for_the_device(
    make: Make, case: tuple[str, dict[str, Any]], kind: str, task: str
) -> None:
    struct, arguments = case
    values = {f"structure.args.{key}": x for key, x in arguments.items()}
    values["fusion.write_back"] = "side"
    assert_asks_nothing(
        make(struct, "local", kind=kind, task=task, values=values, dtype=torch.float32)
    )


@of_every_fusion
def test_no_exchange_waits_for_the_device(make: Make, fusion: str) -> None:
    values = {"fusion.write_back": "side"}
    assert_asks_nothing(make("schnet", fusion, task="ppbs", values=values, dtype=torch.float32))


@pytest.mark.parametrize("tuning", ["lora", "last_n", "full"])
def test_a_language_model_in_training_takes_no_stored_states(make: Make, tuning: str) -> None:
    model = make(values={"sequence.tuning": tuning})
    batch = batch_of(model)
    assert model.taps == () and model.tap(batch) == {}
    for hidden in ({}, {1: torch.zeros(*batch.tokens.shape, model.seq.width)}):
        with pytest.raises(ValueError, match=r"the model takes \[\]"):
            model.features(batch, hidden)


@in_both_ways
def test_a_language_model_in_half_precision_joins_a_float32_model(
    make: Make, write_back: str
) -> None:
    model = make(write_back=write_back, dtype=None, values={"sequence.dtype": "bfloat16"})
    assert {p.dtype for p in model.seq.parameters()} == {torch.bfloat16}
    batch = model.batch(FEW)
    assert model.features(batch).dtype == torch.float32
    gradients = backward(model, batch)
    assert all(g is not None and torch.isfinite(g).all() for g in gradients.values())


# ---------------------------------------------------------------------------------------- seeds


def same_weights(a: nn.Module, b: nn.Module) -> bool:
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return all(torch.equal(x, y) for x, y in pairs)


@of_every_backbone
@in_both_ways
def test_the_same_seed_gives_the_same_weights(make: Make, struct: str, write_back: str) -> None:
    model, again, other = (
        make(struct, write_back=write_back, task="lba", weights="random", seed=seed)
        for seed in (1, 1, 2)
    )
    assert same_weights(model, again)
    for part in ("seq", "struct", "exchanges", "head"):
        assert not same_weights(getattr(model, part), getattr(other, part)), part


def test_making_a_model_leaves_the_callers_random_numbers_alone(make: Make) -> None:
    torch.manual_seed(4)
    expected = torch.rand(1)
    torch.manual_seed(4)
    make(task="ppbs", weights="random")
    assert torch.equal(torch.rand(1), expected)


def test_one_part_does_not_change_the_weights_of_another(make: Make) -> None:
    model = make(task="ppbs")
    for other in (
        make(task="ppbs", values={"head.args.hidden": 77}),
        make(task="react"),
        make(fusion="local"),
        make(write_back="side"),
    ):
        assert same_weights(model.struct, other.struct) and same_weights(model.seq, other.seq)


# -------------------------------------------------------------------------- heads, explanations


@pytest.mark.parametrize("task", TASKS)
def test_every_task_has_a_head_of_its_level(make: Make, task: str) -> None:
    model = make(task=task, dtype=torch.float32)
    batch = model.batch(PROTEINS)
    rows = {"residue": batch.graph.total_nodes, "protein": len(PROTEINS)}
    with torch.no_grad():
        out = model(batch)
        alone = torch.cat([model(model.batch([p])) for p in PROTEINS])
    assert out.shape == (rows[TASKS[task].target.level], TASKS[task].target.outputs)
    torch.testing.assert_close(out, alone, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("task", ["mqa", "ppbs"])
@pytest.mark.parametrize("pool", ["mean", "sum"])
def test_heads_do_not_see_node_order(make: Make, task: str, pool: str) -> None:
    model = make(task=task, values={} if task == "ppbs" else {"head.args.pool": pool})
    batch = batch_of(model, [shelf.with_ligand()])
    order = torch.randperm(batch.graph.total_nodes, generator=torch.Generator().manual_seed(1))
    other = dataclasses.replace(
        batch, graph=shelf.permuted(batch.graph, order), node_token=batch.node_token[order]
    )
    with torch.no_grad():
        out, out_other = model(batch), model(other)
    shelf.assert_close(out_other, out if task == "mqa" else out[order], scale=20)


def test_without_a_task_there_are_features_and_no_predictions(make: Make) -> None:
    model = make()
    with pytest.raises(RuntimeError, match="no head"):
        model(batch_of(model))


@of_every_fusion
@in_both_ways
@pytest.mark.parametrize("training", [True, False])
def test_explaining_leaves_the_model_as_it_was(
    make: Make, fusion: str, write_back: str, training: bool
) -> None:
    model = make(fusion=fusion, write_back=write_back).train(training)
    modes = [module.training for module in model.modules()]
    found = model.explain(batch_of(model))
    assert [module.training for module in model.modules()] == modes
    expected = FUSIONS[fusion].placement(3, 3) if fusion in ("local", "global", "cross") else ()
    assert tuple(e.after for e in found) == expected
    batch = batch_of(model)
    for explanation in found:
        linked = batch.graph.protein[batch.node_token >= 0]
        for count, weights in zip(linked.bincount(), explanation.weights, strict=True):
            n = int(count)
            gate = fusion == "local"
            assert weights.shape == ((n, 2) if gate else (2, 2 * n, 2 * n))
            shelf.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]).double())
            assert not weights.requires_grad


# ----------------------------------------------------------------------------- one branch alone


def test_a_model_of_structure_alone_needs_no_language_model(make: Make) -> None:
    model = make(plm="none", fusion="none")
    batch = batch_of(model, PROTEINS)
    assert batch.tokens is None and model.seq is None and model.fuse_after == ()
    assert model.features(batch).shape == (batch.graph.total_nodes, model.struct.width)


def test_a_model_of_sequence_alone_needs_no_structure(make: Make) -> None:
    model = make("none", "none", values={"graph.kind": "residue"})
    proteins = [from_sequence("one", "ACDXK"), from_sequence("two", "MK"), shelf.unresolved()]
    batch = model.batch(proteins)
    assert batch.graph.num_nodes == (5, 2, 16) and model.struct is None
    assert model.features(batch).shape == (23, shelf.PLM_WIDTH)


def test_a_model_with_a_structure_branch_says_what_lacks_coordinates(make: Make) -> None:
    with pytest.raises(StructureError, match="--struct none"):
        make().batch([from_sequence("one", "ACD")])


# ----------------------------------------------------------------------------------- wrong input


def refused(*names: str, **given: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        create_model(*names, weights="random", **given)
    return str(caught.value)


def test_a_typo_names_the_nearest_valid_name() -> None:
    assert "Did you mean 'gvp'" in refused("esm2_8m", "gpv")
    assert "Did you mean 'esm2_8m'" in refused("esm2_8", "gvp")
    assert "Did you mean 'global'" in refused("esm2_8m", "gvp", fusion="globl")
    assert "Did you mean 'ppbs'" in refused("esm2_8m", "gvp", task="ppb")
    typo = {"structure.args.num_layer": 3}
    assert "'structure.args.num_layers'" in refused("esm2_8m", "gvp", values=typo)
    assert "'sequence.tuning'" in refused("esm2_8m", "gvp", values={"sequence.tunin": "full"})
    assert "'head.args.hidden'" in refused(
        "esm2_8m", "gvp", task="ppbs", values={"head.args.hiden": 3}
    )
    assert "ppbs_esm2_8m_gvp_global" in refused("ppbs_esm2_8m_gvp_globa")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"structure.args.num_layers": 0}, "structure.args.num_layers=0 is not valid"),
        ({"structure.args.num_layers": 2.5}, "expected a whole number"),
        ({"structure.args.dropout": 1.5}, "at least 0 and below 1"),
        ({"structure.args.vector_gate": 1}, "expected true or false"),
        ({"fusion.name": "global", "fusion.args.num_heads": -2}, "fusion.args.num_heads=-2"),
        ({"fusion.args.dropout": -0.1}, "fusion.args.dropout=-0.1"),
        ({"fusion.side_width": 0}, "fusion.side_width=0"),
        ({"graph.k": 0}, "graph.k=0"),
        ({"graph.radius": -4.5}, "graph.radius=-4.5"),
        ({"graph.kind": "resdue"}, "one of residue, atom"),
        ({"seed": -1}, "seed=-1"),
        ({"head.args.hidden": 64}, "without a task there is no head"),
        (
            {"fusion.name": "global", "fusion.args.residual": False},
            "identity_start=True needs residual=True",
        ),
    ],
)
def test_a_number_out_of_range_names_the_value_and_what_is_valid(
    values: dict, said: str, plm_folders: dict[str, str]
) -> None:
    assert said in refused(plm_folders["esm"], "gvp", values=values)


@pytest.mark.parametrize(
    ("after", "said"),
    [
        ([(99, 1)], "names layer 99 of the language model; it has 1 to 3"),
        ([(0, 1)], "names layer 0 of the language model"),
        ([(-9, 1)], "names layer -9"),
        ([(1, 99)], "names layer 99 of the graph network; it has 0 (its input) to 3"),
        ([(2, 1), (1, 2)], "goes from 2:1 to 1:2"),
        ([(1, 2), (2, 1)], "goes from 1:2 to 2:1"),
        ([(1, 1), (1, 2)], "must increase"),
        ([(1,)], "each entry is two layers"),
    ],
)
def test_exchanges_that_cannot_be_are_errors(
    after: list, said: str, plm_folders: dict[str, str]
) -> None:
    assert said in refused(plm_folders["esm"], "gvp", fuse_after=after)


def test_negative_layers_count_from_the_end(make: Make) -> None:
    assert make(fuse_after=[(-2, -2), (-1, -1)]).fuse_after == ((2, 2), (3, 3))
    assert make(fuse_after=[(-1, 0)]).recipe.config.fusion.after == [[3, 0]]


def test_a_value_can_be_taken_back_to_null(plm_folders: dict[str, str]) -> None:
    name = next(name for name in config_names() if load_config(name).task)
    values = {"task": None, "head.args": {}, "sequence.name": plm_folders["esm"]}
    assert create_model(name, weights="random", values=values).head is None


def test_an_empty_fuse_after_is_no_exchange(make: Make) -> None:
    model, parallel = make(fuse_after=[]), make(fusion="parallel")
    batch = batch_of(model)
    assert torch.equal(*(m.features(batch) for m in (model, parallel)))


@pytest.mark.parametrize("fusion", shelf.exchanging())
def test_an_exchange_needs_two_branches(fusion: str, plm_folders: dict[str, str]) -> None:
    assert "joins two branches" in refused("none", "gvp", fusion=fusion)
    assert "joins two branches" in refused(plm_folders["esm"], "none", fusion=fusion)


def test_a_model_of_nothing_is_an_error() -> None:
    assert "leave no model" in refused("none", "none")
    assert "needs a language model" in refused("none", "gvp", write_back="side")


def test_side_write_back_of_a_model_in_training_is_an_error(plm_folders: dict[str, str]) -> None:
    message = refused(
        plm_folders["esm"], "gvp", write_back="side", values={"sequence.tuning": "full"}
    )
    assert "write_back=deep" in message and "sequence.tuning=full" in message


@pytest.mark.parametrize("fusion", ["parallel", "none"])
def test_a_fusion_without_exchange_refuses_places(fusion: str, plm_folders: dict[str, str]) -> None:
    assert "make no exchange" in refused(
        plm_folders["esm"], "gvp", fusion=fusion, fuse_after=[(1, 1)]
    )


# -------------------------------------------------------------------------------- shipped configs


@pytest.mark.parametrize("name", config_names())
def test_every_shipped_config_builds_and_runs(name: str, plm_folders: dict[str, str]) -> None:
    config = load_config(name)
    assert name.startswith(str(config.task))
    sequence = dataclasses.replace(config.sequence, weights="random")
    if sequence.name != "none":
        sequence = dataclasses.replace(sequence, name=plm_folders["esm"])
    fusion = dataclasses.replace(config.fusion, after=[] if config.fusion.after == [] else None)
    model = build_model(resolve(dataclasses.replace(config, sequence=sequence, fusion=fusion)))
    with torch.no_grad():
        out = model(model.batch([shelf.with_ligand(), shelf.ordinary(8)]))
    assert torch.isfinite(out).all() and out.shape[1] == TASKS[config.task].target.outputs


def test_a_sum_grows_with_the_protein_and_a_mean_does_not() -> None:
    from zoo.models.heads import ProteinHead
    from zoo.proteins.graph import Graph

    none = torch.zeros(0, dtype=torch.long)
    row = torch.randn(1, 8)
    heads = {how: ProteinHead([8], 1, pool=how).eval() for how in ("mean", "sum")}
    out = {
        how: [head(Graph(none, none, (n,)), row.expand(n, 8)) for n in (1, 5)]
        for how, head in heads.items()
    }
    assert torch.allclose(*out["mean"])
    assert not torch.allclose(*out["sum"])


def test_a_residue_task_on_an_atom_graph_is_an_error() -> None:
    with pytest.raises(ConfigError, match="several nodes a residue"):
        create_model("esm2_8m", "gvp", task="ppbs", weights="random", values={"graph.kind": "atom"})


def test_an_empty_batch_and_a_pair_that_is_none_are_told() -> None:
    with pytest.raises(ConfigError, match=r"fusion\.after"):
        create_model("esm2_8m", "gvp", fuse_after=(1, 1), weights="random")
    with pytest.raises(ValueError, match="at least one protein"):
        create_model("none", "gvp").batch([])
