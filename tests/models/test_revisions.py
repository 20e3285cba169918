"""What a new model does in another way than those saved before, which keep theirs."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import yaml
from torch import Tensor

import zoo
from tests import shelf
from zoo.fusion import FUSIONS
from zoo.fusion.units import fuse_in_units, unit
from zoo.models.checkpoint import CONFIG
from zoo.models.heads import ResidueHead
from zoo.models.model import Change, FusedModel
from zoo.models.revisions import REVISIONS
from zoo.proteins.batch import gather_rows
from zoo.settings.checking import flat
from zoo.settings.config import Config
from zoo.settings.revision import FIRST, NEWEST, RECORDED
from zoo.training.optim import groups

PROTEINS = [shelf.SHELF["two chains"], shelf.SHELF["unresolved"]]


def rows(width: int, seed: int = 0) -> Tensor:
    return torch.randn(7, width, generator=torch.Generator().manual_seed(seed)).double()


def fusion(name: str) -> Any:
    torch.manual_seed(0)
    return FUSIONS[name](12, 6, identity_start=False).double().eval()


PROTEIN = torch.tensor([0, 0, 0, 1, 1, 1, 1])


def test_a_config_is_of_the_newest_revision_unless_a_program_wrote_it_without_one() -> None:
    saved = Config(task="ppbs").to_dict()
    assert flat(saved).keys() >= RECORDED
    assert Config().revision == Config.from_dict(saved).revision == NEWEST
    assert Config.from_dict({"task": "ppbs", "train": {"epochs": 2}}).revision == NEWEST
    del saved["revision"]
    assert Config.from_dict(saved).revision == FIRST
    del saved["targets"]  # as the best.yaml of a search
    assert Config.from_dict(saved).revision == FIRST


def test_a_saved_model_names_its_revision_and_comes_back_with_it(tmp_path: Any) -> None:
    for revision in REVISIONS:
        model = shelf.small_model("none", "schnet", "none", values={"revision": revision})
        folder = zoo.save_model(model, tmp_path / str(revision))
        assert yaml.safe_load((folder / CONFIG).read_text())["revision"] == revision
        assert zoo.load_model(folder).revision == REVISIONS[revision]


@pytest.mark.parametrize("name", shelf.exchanging())
@pytest.mark.parametrize("size", [0.01, 100.0])
def test_a_change_is_as_large_a_share_of_a_large_state_as_of_a_small_one(
    name: str, size: float
) -> None:
    part, seq, struct = fusion(name), rows(12), rows(6, 1)
    one = fuse_in_units(part, seq, struct, PROTEIN, explain=False)
    other = fuse_in_units(part, size * seq, size * struct, PROTEIN, explain=False)
    shelf.assert_close(other.seq, size * one.seq, scale=20)
    shelf.assert_close(other.struct, size * one.struct, scale=20)
    assert not torch.equal(one.struct, struct)


@pytest.mark.parametrize("name", shelf.exchanging())
def test_an_exchange_that_writes_nothing_changes_no_bit(name: str) -> None:
    part, seq, struct = FUSIONS[name](12, 6, identity_start=True).eval(), rows(12), rows(6, 1)
    fused = fuse_in_units(part.double(), seq, struct, PROTEIN, explain=False)
    assert torch.equal(fused.seq, seq) and torch.equal(fused.struct, struct)


def test_a_row_of_zeros_has_a_unit_and_a_gradient() -> None:
    state = torch.zeros(2, 5, requires_grad=True)
    unit(state).sum().backward()
    assert torch.equal(unit(state), torch.ones(2, 1)) and state.grad is not None
    assert state.grad.isfinite().all()
    assert unit(3.0 * torch.ones(1, 5)).item() == pytest.approx(3.0)


def test_the_head_norms_each_branch_by_itself() -> None:
    torch.manual_seed(0)
    apart, together = ResidueHead([5, 3], 1).eval(), ResidueHead([8], 1).eval()
    together.load_state_dict(apart.state_dict())
    small = torch.randn(6, 8)
    large = torch.cat([small[:, :5], 100 * small[:, 5:]], 1)
    graph: Any = None
    assert torch.allclose(apart(graph, small), apart(graph, large), atol=1e-4)
    assert not torch.allclose(together(graph, small), together(graph, large), atol=1e-2)


@pytest.mark.parametrize("plm", shelf.PLM_KINDS)
def test_serial_fusion_gets_the_output_behind_the_final_norm(
    plm_folders: dict[str, str], plm: str
) -> None:
    taken: dict[int, Tensor] = {}
    models: dict[int, FusedModel] = {}
    for revision in REVISIONS:
        model = shelf.small_model(
            plm_folders[plm], "schnet", "serial", values={"revision": revision}
        )
        keep = lambda module, args, number=revision: taken.update({number: args[0]})  # noqa: E731
        model.exchanges[0].register_forward_pre_hook(keep)
        model.features(model.batch(PROTEINS))
        models[revision] = model
    batch = models[NEWEST].batch(PROTEINS)
    states: list[Tensor] = []
    seq: Any = models[NEWEST].seq
    end = seq(batch.tokens, batch.attend, lambda k, h: states.append(h) or h)
    linked = batch.node_token >= 0
    last, end = (gather_rows(h, batch.node_token)[linked] for h in (states[-1], end))
    shelf.assert_close(taken[FIRST], last)
    shelf.assert_close(taken[NEWEST] * unit(end), end)


@pytest.mark.parametrize("fusion", shelf.exchanging())
def test_the_size_of_every_exchange_is_told(plm_folders: dict[str, str], fusion: str) -> None:
    values = {"fusion.args.identity_start": False}
    model = shelf.small_model(plm_folders["esm"], "schnet", fusion, values=values)
    found: list[Change] = []
    features = model.features(model.batch(PROTEINS), changes=found)
    assert torch.equal(features, model.features(model.batch(PROTEINS)))
    assert tuple(change.after for change in found) == model.fuse_after
    assert all(change.struct > 0 for change in found)
    assert all((change.seq > 0) == (fusion != "serial") for change in found)


@pytest.mark.parametrize("revision", REVISIONS)
def test_adapters_have_a_learning_rate_of_their_own(
    plm_folders: dict[str, str], revision: int
) -> None:
    values = {"sequence.tuning": "lora", "revision": revision}
    model = shelf.small_model(plm_folders["esm"], "schnet", "local", values=values)
    rates = Config().train.lr
    found = {group["name"]: group for group in groups(model, torch.nn.Module(), rates, 0.0)}
    name, rate = ("plm", rates.plm) if revision == FIRST else ("lora", rates.lora)
    assert found[name]["lr"] == rate and rates.lora > 10 * rates.plm
    count = sum(p.numel() for group in found.values() for p in group["params"])
    assert count == sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert ("plm" in found) == (revision == FIRST)
