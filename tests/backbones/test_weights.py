"""Where weights come from: said within seconds, never random where pretrained was asked for."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests import shelf
from zoo.backbones import plm as plms
from zoo.backbones.hf import HFBackbone
from zoo.backbones.loading import load_plm
from zoo.backbones.weights import Weights, download, locate
from zoo.errors import ConfigError, WeightsError
from zoo.models.create import create_model
from zoo.pretrained import language_models

for_every_plm = pytest.mark.parametrize("kind", shelf.PLM_KINDS)


@pytest.fixture
def empty_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.fixture
def no_network(empty_cache: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)


def loaded(folder: str, mode: str, seed: int = 0) -> HFBackbone:
    plm = plms.resolve(folder)
    return load_plm(plm, locate(plm, mode), dtype="float32", seed=seed)


def assert_refused_at_once() -> str:
    start = time.monotonic()
    with pytest.raises(WeightsError) as caught:
        create_model("esm2_8m", "gvp", weights="pretrained")
    assert time.monotonic() - start < 5.0
    assert caught.value.exit_code == 3
    return str(caught.value)


def test_missing_weights_are_an_error_with_the_command_to_run(empty_cache: None) -> None:
    message = assert_refused_at_once()
    assert "HF_HUB_OFFLINE is set" in message
    assert "\n    python -m zoo.download esm2_8m --out DIR\n" in message
    assert "facebook/esm2_t6_8M_UR50D" in message and "--weights random" in message
    assert all(f"--seq {name}" in message for name in ("plm_mini", *language_models()))


def test_missing_weights_without_a_network_are_the_same_error(no_network: None) -> None:
    message = assert_refused_at_once()
    assert "http://127.0.0.1:9 cannot be reached" in message
    assert "python -m zoo.download esm2_8m --out DIR" in message


def test_a_hub_that_does_not_answer_is_given_up_on(
    no_network: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo.system.hub.HUB_TIMEOUT", 0.2)
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: time.sleep(1))
    assert "did not answer within" in assert_refused_at_once()


def test_auto_falls_back_to_random_and_says_so(empty_cache: None) -> None:
    weights = locate(plms.resolve("esm2_8m"), "auto")
    assert weights.kind == "random" and "no pretrained weights here" in weights.source


def test_a_download_without_network_is_an_error(no_network: None) -> None:
    with pytest.raises(WeightsError, match="Cannot download facebook/esm2_t6_8M_UR50D"):
        download(plms.resolve("esm2_8m"))


def test_an_unknown_mode_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'pretrained'"):
        locate(plms.resolve("esm2_8m"), "pretraind")


@for_every_plm
def test_a_folder_with_weights_gives_them(kind: str, plm_folders: dict[str, str]) -> None:
    model = loaded(plm_folders[kind], "pretrained", seed=99)
    expected = shelf.plm_module(kind, seed=0).state_dict()
    found = model.model.state_dict()
    assert set(found) == set(expected)
    assert all(torch.equal(found[name], x) for name, x in expected.items())
    assert not any(p.requires_grad for p in model.parameters())


@for_every_plm
def test_a_folder_without_weights_is_an_error_or_random(kind: str, tmp_path: Path) -> None:
    folder = shelf.save_plm(kind, tmp_path / "bare", weights=False)
    with pytest.raises(WeightsError, match="has a config.json but no weights"):
        loaded(folder, "pretrained")
    assert locate(plms.resolve(folder), "auto").kind == "random"
    assert loaded(folder, "random").num_layers == shelf.NUM_PLM_LAYERS


@for_every_plm
def test_a_file_that_lacks_a_tensor_is_an_error_and_never_filled_in(
    kind: str, tmp_path: Path
) -> None:
    folder = shelf.save_plm(kind, tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    name = next(name for name in tensors if "layer.1." in name)
    del tensors[name]
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(WeightsError, match=r"lack 1 tensors of its config\.json, the first"):
        loaded(folder, "pretrained")


@for_every_plm
def test_a_broken_file_of_weights_is_an_error_that_names_its_folder(
    kind: str, tmp_path: Path
) -> None:
    folder = shelf.save_plm(kind, tmp_path)
    path = tmp_path / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(WeightsError, match=f"weights in {tmp_path} cannot be loaded"):
        loaded(folder, "pretrained")


@for_every_plm
def test_random_weights_are_seeded(kind: str, plm_folders: dict[str, str]) -> None:
    torch.manual_seed(5)
    expected_next = torch.rand(1)
    torch.manual_seed(5)
    first, again, other = (loaded(plm_folders[kind], "random", seed) for seed in (1, 1, 2))
    assert torch.equal(torch.rand(1), expected_next)  # the user's own random numbers go on
    pairs = [
        [torch.equal(a, b) for a, b in zip(first.parameters(), x.parameters(), strict=True)]
        for x in (again, other)
    ]
    assert all(pairs[0]) and not all(pairs[1])


def test_too_large_a_model_is_refused_before_it_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = SimpleNamespace(available=40e9)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    with pytest.raises(
        ConfigError,
        match=r"esm2_15b in float32 needs about 60\.41 GB of memory, and 40\.00 GB are free",
    ):
        create_model("esm2_15b", "gvp", weights="random")


def test_half_precision_needs_half_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    preset = plms.resolve("esm2_8m").preset
    monkeypatch.setattr(
        psutil, "virtual_memory", lambda: SimpleNamespace(available=3 * preset.parameters)
    )
    plm, weights = plms.resolve("esm2_8m"), Weights("random")
    with pytest.raises(ConfigError, match="sequence.dtype=bfloat16"):
        load_plm(plm, weights, dtype="float32", seed=0)
    small = load_plm(plm, weights, dtype="bfloat16", seed=0)
    assert {p.dtype for p in small.parameters()} == {torch.bfloat16}


@pytest.mark.parametrize("preset", plms.PRESETS, ids=lambda preset: preset.short)
def test_every_preset_builds_with_the_size_that_it_declares(preset: plms.Preset) -> None:
    from transformers import AutoModel, T5EncoderModel

    config = plms.architecture(preset)
    with torch.device("meta"):
        if config.model_type == "t5":
            model = T5EncoderModel(config)
        else:
            more = {} if config.model_type == "esmc" else {"add_pooling_layer": False}
            model = AutoModel.from_config(config, **more)
    counted = sum(p.numel() for n, p in model.named_parameters() if "contact_head" not in n)
    assert counted == preset.parameters
    assert (config.num_hidden_layers, config.hidden_size) == (preset.num_layers, preset.width)
    assert config.num_attention_heads == preset.num_heads


@pytest.mark.parametrize("preset", plms.PRESETS, ids=lambda preset: preset.short)
def test_every_preset_has_three_names(preset: plms.Preset) -> None:
    for name in (preset.short, preset.official, preset.hub_id, preset.short.upper()):
        assert plms.resolve(name).preset is preset


def test_a_folder_comes_before_a_hub_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shelf.save_plm("esm", tmp_path / "lab" / "model", weights=False)
    assert plms.resolve("lab/model").folder == tmp_path / "lab" / "model"
    assert plms.resolve("lab/other") == plms.PLM("lab/other", hub_id="lab/other")


def test_names_that_mean_nothing_are_errors(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Did you mean 'esm2_650m'"):
        plms.resolve("esm2_650")
    with pytest.raises(ConfigError, match="does not exist"):
        plms.resolve("./nowhere")
    with pytest.raises(ConfigError, match="has no config.json"):
        plms.resolve(str(tmp_path))


def test_the_hub_cache_is_used_without_any_network(
    no_network: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hub = tmp_path / "hub" / "models--lab--tiny"
    snapshot = hub / "snapshots" / "0123456789abcdef"
    shelf.save_plm("esm", snapshot)
    (hub / "refs").mkdir()
    (hub / "refs" / "main").write_text(snapshot.name)
    plm = plms.resolve("lab/tiny")
    weights = locate(plm, "pretrained")
    assert weights.kind == "pretrained" and weights.folder == snapshot
    assert "lab/tiny" in weights.source
    model = load_plm(plm, weights, dtype="float32", seed=3)
    assert model.width == shelf.PLM_WIDTH
    assert dataclasses.replace(weights, folder=None).kind == "pretrained"
