"""The functions of `zoo` equal the verbs of the same names, to the last digit."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from safetensors.torch import load_file

import zoo
from tests import shelf
from tests.test_predict import FASTA, TARGETS, run_folder, saved, table
from tests.training.runs import quick_data
from tests.verbs import call
from zoo.__main__ import VERBS
from zoo.errors import (
    ConfigError,
    FailedInputsWarning,
    ModelWarning,
    RandomWeightsWarning,
    ZooError,
)
from zoo.fusion import FUSIONS
from zoo.models.runs import WEIGHTS, read_run
from zoo.pretrained import folder_of, task_models
from zoo.proteins.files.scores import write_scored
from zoo.system.devices import available
from zoo.tasks import TASKS

ROOT = Path(__file__).parents[1]
SIZES = {"a": 9, "b": 30, "c": 14, "d": 25}


@pytest.fixture(scope="module")
def structures(tmp_path_factory):
    """Structure files of four lengths, two of them of two chains or with a gap."""
    folder = tmp_path_factory.mktemp("structures")
    made = {name: shelf.ordinary(length, at) for at, (name, length) in enumerate(SIZES.items())}
    for name, protein in {**made, "e": shelf.two_chains(), "f": shelf.unresolved()}.items():
        write_scored(folder / f"{name}.cif", protein, np.zeros(len(protein)))
    return folder


@pytest.fixture
def broken(structures, tmp_path):
    """A folder with two structures, and a file that is none."""
    for name in "ab":
        (tmp_path / f"{name}.cif").write_bytes((structures / f"{name}.cif").read_bytes())
    (tmp_path / "z.cif").write_text("no structure")
    return tmp_path


# ------------------------------------------------------------------------ a function has the name


@pytest.mark.parametrize("verb", sorted({*VERBS} & {*zoo.__all__}))
def test_a_function_keeps_its_name_when_the_verb_of_that_name_is_imported(verb):
    script = f"""
import zoo, sys
before = zoo.{verb}
import zoo.{verb}
from zoo.{verb} import {verb} as command
import zoo.{verb} as also
assert zoo.{verb} is before is also and before.__module__ != "zoo.{verb}"
assert command is sys.modules["zoo.{verb}"].{verb} is not before
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)


def test_a_module_that_is_no_function_is_reached_as_ever():
    import zoo.models

    assert zoo.models is sys.modules["zoo.models"]
    zoo.something_of_a_users = 3
    assert zoo.something_of_a_users == 3
    del zoo.something_of_a_users


# ------------------------------------------------------------------------------------- predicting


@pytest.mark.filterwarnings("ignore::zoo.errors.ModelWarning")
@pytest.mark.parametrize("model", task_models())
def test_predictions_of_shipped_models_equal_the_verbs(capsys, tmp_path, structures, model):
    done = call(capsys, "predict", structures, "--model", model, "--out", tmp_path / "o")
    assert done.code == 0, done.err
    found = zoo.predict(structures, model)
    written = (tmp_path / "o" / "predictions.csv").read_text()
    assert found.to_csv(index=False, lineterminator="\n") == written.replace("\r\n", "\n")
    assert found.attrs == {"failed": {}}
    assert [name[0] for name in dict.fromkeys(found["id"]) if name != "e_B"] == [*"abcdef"]


def test_the_chains_of_a_complex_are_taken_as_asked(capsys, tmp_path, structures):
    given = ["--model", "ppbs_local", "--out", tmp_path / "o", "--as", "complex"]
    assert call(capsys, "predict", structures / "e.cif", *given).code == 0
    together, lines = zoo.predict(structures / "e.cif", "ppbs_local", scope="complex"), []
    written = (tmp_path / "o" / "predictions.csv").read_text()
    assert together.to_csv(index=False, lineterminator="\n") == written.replace("\r\n", "\n")
    listener = zoo.Listener(say=lines.append)
    ensemble = zoo.load_ensemble("ppbs_local", scope="chain")
    alone = zoo.predict(structures / "e.cif", ensemble, listener=listener)
    assert len(alone) == len(together) and not alone.equals(together)
    assert len(lines) == 1 and "each chain was taken alone" in lines[0]
    (one,) = dict.fromkeys(zoo.predict(f"{structures / 'e.cif'}:B", ensemble)["chain"])
    assert one == "B"
    with pytest.raises(ConfigError, match="give them to zoo.load_ensemble"):
        zoo.predict(structures, ensemble, scope="complex")
    with pytest.raises(ConfigError, match="Unknown scope 'chains'"):
        zoo.predict(structures, "ppbs_local", scope="chains")
    with pytest.raises(ConfigError, match="Unknown scope 'chains'"):
        zoo.load_ensemble("ppbs_local", scope="chains")
    model = zoo.load_model("ppbs_local")
    first, second = (
        zoo.embed(structures / "e.cif", model, scope=scope)["e"] for scope in ("chain", "complex")
    )
    assert first.shape == second.shape and not torch.equal(first, second)
    assert torch.equal(first, zoo.embed(structures / "e.cif", model)["e"])


@pytest.mark.parametrize("kind", TARGETS)
def test_predictions_of_every_kind_equal_the_verbs(capsys, tmp_path, structures, plm_folders, kind):
    run = run_folder(tmp_path / "run", kind, plm_folders["esm"], (0, 1), (0.7, 2.5))
    call(capsys, "predict", structures, "--model", run, "--out", tmp_path / "o")
    found = zoo.predict([str(structures)], read_run(run))
    rows = found.astype(object).where(found.notna(), "").astype(str)
    assert rows.to_dict("records") == [
        {name: value for name, value in row.items()} for row in table(tmp_path / "o")
    ]
    numbers = found.select_dtypes("float")
    assert len(numbers.columns) == {"multilabel": 0}.get(kind, 2)


def test_proteins_in_memory_are_predicted_like_their_files(structures):
    ensemble = zoo.load_ensemble("mqa")
    paths = [structures / "b.cif", structures / "a.cif"]
    from_files = zoo.predict(paths, ensemble)
    proteins = [zoo.read_structure(path) for path in paths]
    pd.testing.assert_frame_equal(zoo.predict(proteins, ensemble), from_files)
    pd.testing.assert_frame_equal(zoo.predict([paths[0], proteins[1]], ensemble), from_files)
    alone = zoo.predict(proteins[0], ensemble)
    assert alone["id"].tolist() == ["b"] and from_files["id"].tolist() == ["b", "a"]


@pytest.mark.filterwarnings("ignore::zoo.errors.ModelWarning")
def test_an_input_that_fails_is_an_error_if_it_is_the_only_one(broken):
    with pytest.raises(ZooError, match=r"^[^ ]*z\.cif: is not a PDB"):
        zoo.predict(broken / "z.cif", "mqa")
    same = [zoo.read_structure(broken / "a.cif")] * 2
    assert len(zoo.predict(same, "mqa")) == 1  # one object, named twice
    (broken / "a.cif").unlink(), (broken / "b.cif").write_text("")
    with pytest.raises(ZooError, match="None of 2 inputs could be predicted. The first: "):
        zoo.predict(broken, "mqa")


@pytest.mark.filterwarnings("ignore::zoo.errors.ModelWarning")
def test_inputs_that_fail_among_others_are_told(broken):
    with pytest.warns(FailedInputsWarning, match=r"1 of 3 inputs .*z\.cif"):
        found = zoo.predict(broken, "mqa")
    assert found["id"].tolist() == ["a", "b"]
    assert [*found.attrs["failed"]] == [str(broken / "z.cif")]
    other = shelf.ordinary(12, 3)
    with pytest.warns(FailedInputsWarning, match="the name 'ordinary' is taken"):
        zoo.predict([other, shelf.ordinary(14, 4)], "mqa")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (3, r"^3 \(int\) is not an input. Valid: a path, folder or glob, the name of"),
        ([None], r"^None \(NoneType\) is not an input"),
        ([], "The list of inputs is empty"),
    ],
)
def test_what_is_no_input_is_a_sentence(given, says):
    with pytest.raises(ConfigError, match=says):
        zoo.predict(given, "mqa")


def test_what_is_no_model_is_a_sentence(structures):
    with pytest.raises(ConfigError, match="one model, without the other models and the calib"):
        zoo.predict(structures, zoo.load_model("mqa"))
    with pytest.raises(ConfigError, match=r"^7 \(int\) is not a model. Valid: the name"):
        zoo.predict(structures, 7)
    with pytest.raises(ConfigError, match=r"^7 \(int\) is not a model. Valid: a model"):
        zoo.embed(structures, 7)


def test_what_a_shipped_model_is_not_for_is_told(structures):
    with pytest.warns(ModelWarning, match="mqa_made_decoys: It knows only decoys"):
        zoo.predict(structures / "a.cif", "mqa_made_decoys")


def test_a_device_is_chosen_or_told():
    assert zoo.load_ensemble("mqa", device="auto").device == available()[0]
    with pytest.raises(ConfigError, match="Device 'abacus' is not available. Here: "):
        zoo.load_ensemble("mqa", device="abacus")


def test_random_weights_are_told(tmp_path, structures):
    folder = saved(tmp_path, "regression", "esm2_8m", weights="random")
    with pytest.warns(RandomWeightsWarning):
        zoo.predict(structures / "a.cif", folder)
    loaded = zoo.load_ensemble(folder)
    with pytest.warns(RandomWeightsWarning):
        zoo.predict(structures / "a.cif", loaded)
    with pytest.warns(RandomWeightsWarning):
        zoo.embed(structures / "a.cif", folder)


# ------------------------------------------------------------------------------------- embedding


@pytest.mark.parametrize(
    ("layer", "pool"), [("fused", False), ("fused", True), ("-1", False), ("raw", True), ("0", 0)]
)
def test_features_equal_the_verbs(capsys, tmp_path, structures, layer, pool):
    out = tmp_path / "features.h5"
    options = ["--layer", layer, *["--pool"] * pool]
    done = call(capsys, "embed", structures, "--model", "ppbs_local", "--out", out, *options)
    assert done.code == 0, done.err
    found = zoo.embed(structures, "ppbs_local", layer=layer, pool=pool)
    with h5py.File(out) as file:
        assert [*found] == [*file]
        for name, tensor in found.items():
            np.testing.assert_array_equal(tensor.numpy(), file[name][layer][:])
            if not pool:
                assert found.rows[name] == file[name]["residues"].asstr()[:].tolist()
    assert found.failed == {}


def test_features_become_a_frame(structures):
    model = zoo.load_model("ppbs_local").train()
    features = zoo.embed(structures, model)
    table = features.frame()
    assert table.index.names == ["id", "residue"] and table.shape[1] == model.width
    np.testing.assert_array_equal(table.loc["b"].to_numpy(), features["b"].numpy())
    pooled = zoo.embed(structures, model, pool=True)
    assert pooled.frame().index.tolist() == [*"abcdef"] and not pooled.rows
    torch.testing.assert_close(pooled["b"], features["b"].mean(0))


def test_sequences_without_structure_are_embedded_by_a_language_model(tmp_path):
    (tmp_path / "two.fasta").write_text(FASTA)
    lines: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = zoo.embed(tmp_path / "two.fasta", "plm_mini", layer=2)
        zoo.embed(
            ROOT / "zoo/examples/1a8o.cif.gz", "ppbs", listener=zoo.Listener(say=lines.append)
        )
    assert [*found] == ["p1", "p2"]
    assert lines == ["ppbs has 3 models: the features are those of the first"]
    with pytest.raises(ConfigError, match="not a layer"):
        zoo.embed(tmp_path / "two.fasta", "plm_mini", layer=99)
    assert folder_of("ppbs").is_dir()


# --------------------------------------------------------------------------- training and scoring

KEYS = {"train.epochs": 2, "structure.name": "schnet", "structure.args.num_layers": 2,
        "structure.args.hidden": 8, "structure.args.num_filters": 8, "graph.k": 6,
        "fusion.write_back": "side", "fusion.args.width": 8, "train.tokens": 60}  # fmt: skip
BASE = "ppbs_esm2_8m_gvp_local"


@pytest.fixture(scope="module")
def trained(tmp_path_factory, plm_folders):
    """Prepared data, and the same run by the verb and from Python."""
    root = tmp_path_factory.mktemp("trained")
    data = quick_data(root / "prepared")
    config = zoo.load_config(BASE).with_options({"sequence.name": plm_folders["esm"],
                                                 "structure.name": "schnet"})  # fmt: skip
    config = zoo.Config.from_dict({**config.to_dict(), "structure": {"name": "schnet"}})
    lines: list[str] = []
    run = zoo.train(config, data, root / "python", values=KEYS, listener=zoo.Listener(lines.append))
    assert any(line.startswith("epoch 2 of 2") for line in lines)
    return data, run, config


def test_training_equals_the_verb(capsys, tmp_path, trained):
    data, run, config = trained
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config.to_dict()))
    options = [x for key, value in KEYS.items() for x in ("--set", f"{key}={value}")]
    done = call(capsys, "train", tmp_path / "config.yaml", "--data", data, "--out",
                tmp_path / "run", *options)  # fmt: skip
    assert done.code == 0, done.err
    ours, verbs = (load_file(folder / WEIGHTS) for folder in (run.folder, tmp_path / "run"))
    assert ours.keys() == verbs.keys() and all(torch.equal(ours[k], verbs[k]) for k in ours)
    again = zoo.train(out=run.folder, resume=True)
    assert [member.name for member in again.members] == ["seed 0"]
    assert repr(again).startswith("Run(folder=") and "\n" not in repr(again)
    assert len(repr(again)) < 400  # and not all that run.json says


def test_scores_equal_the_verbs(capsys, tmp_path, trained):
    data, run, _ = trained
    done = call(capsys, "evaluate", run.folder, "--out", tmp_path / "v", "--bootstrap", 30)
    assert done.code == 0, done.err
    found = zoo.evaluate(run, bootstrap=30)
    written = json.loads((tmp_path / "v" / "metrics.json").read_text())
    assert json.loads(json.dumps(found.metrics["targets"])) == written["targets"]
    found.write(tmp_path / "p")
    assert (tmp_path / "p" / "predictions.csv").read_text() == (
        tmp_path / "v" / "predictions.csv"
    ).read_text()
    assert json.loads((tmp_path / "p" / "metrics.json").read_text())["split"] == "test"
    text = found.predictions.to_csv(index=False, float_format="%.9g")
    assert text == (tmp_path / "v" / "predictions.csv").read_text()
    scores = found.scores.set_index(["target", "model", "subset", "metric"])
    row = scores.loc[("binding_site", "model", "all", "average_precision")]
    part = written["targets"]["binding_site"]["parts"][0]["values"]["average_precision"]
    assert row.to_dict() == {name: part[name] for name in ("value", "low", "high")}
    other = zoo.evaluate(run.folder, "validation", data=data, bootstrap=30)
    assert set(other.predictions["split"]) == {"validation"}
    assert not (run.folder / "metrics.json").exists()
    assert len(zoo.predict(shelf.ordinary(20), run)) == 20


@pytest.mark.parametrize(
    ("work", "says"),
    [
        (lambda: zoo.train("ppbs_esm2_8m_gvp_local", "x"), r"^out is missing: zoo.train\("),
        (lambda: zoo.train(data="x", out="y"), "^config is missing"),
        (lambda: zoo.train(BASE, out="y"), "^data is missing"),
        (lambda: zoo.train(out="y", resume=True, values={"seed": 1}), "^config is missing"),
        (lambda: zoo.train({"task": "ppbs"}, "x", "y"), r"\(dict\) is not a config. .*from_dict"),
        (lambda: zoo.evaluate("ppbs", "tests"), "Did you mean 'test'"),
        (lambda: zoo.evaluate(5), r"^5 \(int\) is not a run"),
        (lambda: zoo.create_model(5), r"^5 \(int\) is not a config"),
        (lambda: zoo.create_model(zoo.Config(), "gvp"), "names its own parts"),
    ],
)
def test_a_wrong_argument_is_a_sentence(work, says):
    with pytest.raises(ConfigError, match=says):
        work()


# ---------------------------------------------------------------------------------------- models


def test_names_are_those_of_the_registries():
    assert zoo.list_tasks() == list(TASKS)
    assert zoo.list_fusions() == list(FUSIONS)


def test_a_model_is_made_of_a_config(plm_folders):
    config = zoo.Config().with_options({"sequence.name": plm_folders["esm"], "task": "ppbs"})
    model = zoo.create_model(config, fusion="local", values={"head.args.hidden": 8})
    named = zoo.create_model(
        plm_folders["esm"], "gvp", task="ppbs", fusion="local", values={"head.args.hidden": 8}
    )
    ours, theirs = model.state_dict(), named.state_dict()
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[k], theirs[k]) for k in ours)
    assert zoo.load_config(config) is config
