"""`sequence.layers`: the first layers of the language model alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import pytest
import torch
from torch import nn

import zoo
from tests import shelf
from tests.verbs import call
from zoo.errors import ConfigError
from zoo.models.blueprint import resolve
from zoo.models.branches import depths
from zoo.settings.config import Config

PROTEIN = shelf.ordinary()
for_every_plm = pytest.mark.parametrize("kind", shelf.SEQUENCE_KINDS)


def make(folder: str, layers: int | None = None, **values: Any) -> zoo.FusedModel:
    given = {"structure.args.num_layers": 2, "structure.args.hidden": 8, "sequence.layers": layers}
    return zoo.create_model(folder, "schnet", fusion="local", values=given | values)


def final_norm(model: nn.Module) -> nn.Module:
    encoder: Any = getattr(model, "encoder", model)
    for name in ("emb_layer_norm_after", "final_layer_norm", "norm"):
        if hasattr(encoder, name):
            return getattr(encoder, name)
    return nn.Identity()


@torch.no_grad()
@for_every_plm
@pytest.mark.parametrize("count", [1, 2])
def test_the_first_layers_give_what_they_do_in_the_whole_model(
    kind: str, count: int, plm_folders: dict[str, str]
) -> None:
    whole, cut = (make(plm_folders[kind], n).seq for n in (None, count))
    tokens, seen = whole.tokenize([PROTEIN.chains[0].sequence]), {}
    whole(tokens.ids, tokens.attend, lambda k, h: seen.update({k: h}) or h)
    found: dict[int, torch.Tensor] = {}
    out = cut(tokens.ids, tokens.attend, lambda k, h: found.update({k: h}) or h)
    assert list(found) == list(range(1, count + 1)) and cut.num_layers == count
    assert all(torch.equal(found[k], seen[k]) for k in found)
    shelf.assert_close(out, final_norm(whole.model)(seen[count]))
    assert sum(p.numel() for p in cut.parameters()) < sum(p.numel() for p in whole.parameters())


@for_every_plm
def test_all_of_the_layers_is_the_default(kind: str, plm_folders: dict[str, str]) -> None:
    models = [make(plm_folders[kind], n) for n in (None, shelf.NUM_PLM_LAYERS)]
    batch = models[0].batch([PROTEIN])
    assert torch.equal(*(model.features(batch) for model in models))
    assert len({model.recipe.fingerprint for model in models}) == 1


def test_exchanges_are_placed_in_the_layers_that_run(plm_folders: dict[str, str]) -> None:
    values = {"sequence.layers": 2, "fusion.after": [[-1, -1]]}
    model = make(plm_folders["esm"], 2, **{"fusion.after": [[-1, -1]]})
    assert model.fuse_after == ((2, 2),)
    config = Config().with_options({"sequence.name": plm_folders["esm"], **values})
    assert depths(config)[0] == resolve(config).plm.num_layers == 2
    with pytest.raises(ConfigError, match="names layer 3 of the language model; it has 1 to 2"):
        make(plm_folders["esm"], 2, **{"fusion.after": [[3, 1]]})


@pytest.mark.parametrize(("count", "match"), [(4, "has 3 layers"), (0, "sequence.layers=0")])
def test_a_number_of_layers_that_is_not_there_is_an_error(
    count: int, match: str, plm_folders: dict[str, str]
) -> None:
    with pytest.raises(ConfigError, match=match):
        make(plm_folders["esm"], count)


def test_a_model_of_some_layers_comes_back(tmp_path: Path, plm_folders: dict[str, str]) -> None:
    model = make(plm_folders["t5"], 2)
    zoo.save_model(model, tmp_path / "saved")
    again = zoo.load_model(tmp_path / "saved")
    batch = model.batch([PROTEIN])
    assert again.seq.num_layers == 2 and torch.equal(model.features(batch), again.features(batch))


def test_a_search_draws_it_anew(plm_folders: dict[str, str]) -> None:
    config = Config().with_options({"sequence.name": plm_folders["esm"]})
    known = resolve(config)
    cut = config.with_values(["sequence.layers=2"])
    assert resolve(cut, known).plm.num_layers == 2
    assert resolve(config, resolve(cut)).plm.num_layers == 3


def test_a_file_of_features_that_knew_no_such_key_goes_on(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "one.fasta").write_text(">a\nMKVLAYGG\n")
    (tmp_path / "two.fasta").write_text(">b\nMKVLAYGGW\n")
    out = tmp_path / "features.h5"
    for name, layers in (("all", None), ("one", 1)):
        model = zoo.create_model("plm_mini", "none", values={"sequence.layers": layers})
        zoo.save_model(model, tmp_path / name)

    def embed(fasta: str, model: str) -> int:
        given = ("--model", tmp_path / model, "--out", out)
        return call(capsys, "embed", tmp_path / fasta, *given).code

    assert embed("one.fasta", "all") == 0
    with h5py.File(out, "a") as file:
        facts = json.loads(file.attrs["description"])
        del facts["config"]["sequence"]["layers"]
        file.attrs["description"] = json.dumps(facts, sort_keys=True)
    assert embed("two.fasta", "all") == 0
    with h5py.File(out) as file:
        assert set(file) == {"a", "b"}
    assert embed("two.fasta", "one") == 2
