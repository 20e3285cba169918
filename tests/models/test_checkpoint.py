"""Saved models: they come back bit for bit, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

import zoo
from tests import shelf
from zoo.backbones import STRUCTURE_BACKBONES
from zoo.errors import CheckpointError
from zoo.fusion import FUSIONS
from zoo.models.runs import Member
from zoo.settings.config import load_config

pytestmark = pytest.mark.filterwarnings("ignore::zoo.errors.RandomWeightsWarning")


def small(struct: str = "gvp", fusion: str = "local", **options):
    return zoo.create_model("esm2_8m", struct, fusion=fusion, weights="random", **options)


def perturbed(model):
    with torch.no_grad():
        for p in model.parameters():
            if p.requires_grad:
                p.add_(torch.randn_like(p) * 0.1)
    return model


@pytest.fixture
def folder(tmp_path):
    return zoo.save_model(small(task="ppbs"), tmp_path)


@pytest.mark.parametrize("write_back", ["deep", "side"])
@pytest.mark.parametrize("fusion", list(FUSIONS))
def test_a_saved_model_comes_back_bit_for_bit(tmp_path, fusion, write_back):
    model = perturbed(small("gat", fusion, write_back=write_back, task="ppbs", seed=3))
    again = zoo.load_model(zoo.save_model(model, tmp_path))
    batch = model.batch([zoo.read_structure("zoo/examples/1a8o.cif.gz")])
    assert torch.equal(model(batch), again(batch))
    assert model.recipe == again.recipe


@pytest.mark.parametrize("struct", list(STRUCTURE_BACKBONES))
def test_every_backbone_is_saved_whole(tmp_path, struct):
    model = perturbed(small(struct))
    again = zoo.load_model(zoo.save_model(model, tmp_path))
    for (name, a), b in zip(model.state_dict().items(), again.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


def test_a_frozen_language_model_is_not_written(folder):
    assert not any(name.startswith("seq.") for name in load_file(folder / "model.safetensors"))


def test_other_weights_of_the_language_model_are_refused(tmp_path):
    plm = shelf.save_plm("esm", tmp_path / "plm", seed=0)
    model = shelf.small_model(plm, "schnet", "local", task="ppbs", weights="pretrained")
    saved = zoo.save_model(model, tmp_path / "model")
    assert zoo.load_model(saved).recipe == model.recipe
    shelf.save_plm("esm", tmp_path / "plm", seed=1)
    with pytest.raises(CheckpointError, match="saved with another language model"):
        zoo.load_model(saved)


def test_a_trained_language_model_is_written(tmp_path):
    model = perturbed(small(values={"sequence.tuning": "full"}))
    again = zoo.load_model(zoo.save_model(model, tmp_path))
    assert torch.equal(
        model.state_dict()["seq.model.embeddings.word_embeddings.weight"],
        again.state_dict()["seq.model.embeddings.word_embeddings.weight"],
    )


@pytest.mark.parametrize("change", ["missing", "extra", "shape"])
def test_weights_that_do_not_fit_are_an_error_that_names_them(folder, change):
    path = folder / "model.safetensors"
    state = load_file(path)
    name = sorted(state)[0]
    if change == "missing":
        del state[name]
    elif change == "extra":
        name = "struct.surprise"
        state[name] = torch.zeros(1)
    else:
        state[name] = torch.zeros(3, 3, 3)
    save_file(state, path)
    with pytest.raises(CheckpointError, match=name):
        zoo.load_model(folder)


def test_a_saved_models_settings_can_be_trained_again(folder):
    assert load_config(folder / "config.yaml") == zoo.load_model(folder).recipe.config


def test_another_language_model_is_an_error(folder):
    data = yaml.safe_load((folder / "config.yaml").read_text())
    data["seed"] = 1
    (folder / "config.yaml").write_text(yaml.safe_dump(data))
    with pytest.raises(CheckpointError, match="another language model"):
        zoo.load_model(folder)


@pytest.mark.parametrize("text", ["", "[]", "a: [", "task: 3\nplm_fingerprint: x"])
def test_a_damaged_config_is_an_error_that_names_the_file(folder, text):
    (folder / "config.yaml").write_text(text)
    with pytest.raises(CheckpointError, match=r"config\.yaml"):
        zoo.load_model(folder)


@pytest.mark.parametrize("content", [b"", b"no safetensors", None])
def test_damaged_weights_are_an_error_that_names_the_file(folder, content):
    path = folder / "model.safetensors"
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        zoo.load_model(folder)


def test_a_folder_without_config_is_an_error(tmp_path):
    with pytest.raises(CheckpointError, match=r"no config\.yaml"):
        zoo.load_model(tmp_path)


def test_a_model_from_a_local_folder_comes_back(tmp_path, plm_folders):
    model = zoo.create_model(plm_folders["bert"], "gat", fusion="global")
    again = zoo.load_model(zoo.save_model(model, tmp_path))
    batch = model.batch([shelf.SHELF["ordinary"]])
    assert torch.equal(model.features(batch), again.features(batch))
    assert not again.recipe.random_plm


def test_a_run_without_its_list_of_samples_is_refused(tmp_path: Path) -> None:
    member = Member(tmp_path, "seed 0", None, 0)
    for text in (None, "{", "[]"):
        if text is not None:
            (tmp_path / "splits.json").write_text(text)
        with pytest.raises(CheckpointError, match="missing or damaged"):
            member.splits()
