"""`zoo probe`: stored states, what it writes, how it stops, and the search that it begins."""

from __future__ import annotations

import dataclasses
import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import torch

from hpo.checking import depths, own_numbers
from hpo.space import parse_space
from tests import shelf
from tests.training import runs
from tests.verbs import Result, call
from zoo.command.cli import INTERRUPTED
from zoo.data.preparing import STORE
from zoo.data.samples import Sample
from zoo.data.store import Store
from zoo.models.blueprint import resolve
from zoo.models.create import build_model
from zoo.models.summary import RANDOM_WARNING
from zoo.probing.answer import config_of
from zoo.probing.parts import Source
from zoo.probing.sources import branches, chosen_layers, controls
from zoo.probing.structure import OUTPUT, _by_residue, feature_sets
from zoo.proteins.feature_sets import FEATURE_SETS, computed
from zoo.settings.config import Config, load_config
from zoo.states.states import StateStore
from zoo.system.listener import SILENT, Listener, Stopped

SETTINGS = [f"{key}={value}" for key, value in {**runs.SCHNET, **runs.SMALL}.items()]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return runs.quick_data(tmp_path / "data", runs.BINDING)


@pytest.fixture
def zoo_probe(capsys: Any, tmp_path: Path, data: Path) -> Any:
    """Return a function that calls the verb on small data."""

    def run(*more: object, out: str = "out") -> Result:
        return call(capsys, "probe", "--data", data, "--out", tmp_path / out, "--store",
                    tmp_path / "store", "--bootstrap", 20, *more)  # fmt: skip

    return run


def test_it_writes_findings_pictures_and_a_config(
    zoo_probe: Any, tmp_path: Path, plm_folders: dict[str, str]
) -> None:
    done = zoo_probe("--seq", plm_folders["esm"], "--struct", "mpnn", "--features", "surface",
                     "--random", "--test")  # fmt: skip
    assert done.code == 0, done.err
    assert "18 samples in = 18 done + 0 left out" in done.out
    assert "mpnn layer 3" in done.out and "of what validation chose" in done.out
    facts = json.loads((tmp_path / "out/probe.json").read_text())
    (one,) = facts["targets"]
    sources = {row["source"] for row in one["parts"]}
    assert sources == {"esm", "mpnn", "esm random", "mpnn random", "features", "letters"}
    assert "esm random" in " ".join(one["layers"]["esm"]["above"])
    best = load_config(tmp_path / "out/best.yaml")
    assert (best.task, best.sequence.layers) == ("ppbs", facts["layers"]["esm"])
    for name in ("probe.png", "probe.svg"):
        assert (tmp_path / "out" / name).stat().st_size > 1000


def test_states_are_computed_once_and_layers_can_be_named(
    zoo_probe: Any, plm_folders: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("--seq", plm_folders["esm"], "--struct", "mpnn", "--layers", "1,-1", "--json")
    first = zoo_probe(*words)
    monkeypatch.setattr(StateStore, "put", None)
    monkeypatch.setattr("zoo.probing.structure._states", None)
    again = zoo_probe(*words, out="again")
    assert first.code == again.code == 0, again.err
    found, same = json.loads(first.out), json.loads(again.out)
    assert found["targets"] == same["targets"]
    layers = [row["layer"] for row in found["targets"][0]["parts"] if row["source"] == "esm"]
    assert layers == [1, resolve(load(plm_folders)).plm.num_layers]  # type: ignore[union-attr]


def load(plm_folders: dict[str, str], **values: Any) -> Config:
    return Config().with_options({"sequence.name": plm_folders["esm"], **values})


def test_what_it_found_is_the_first_trial_of_a_search(
    zoo_probe: Any, tmp_path: Path, plm_folders: dict[str, str]
) -> None:
    values = [word for value in SETTINGS for word in ("--set", value)]
    done = zoo_probe("ppbs_esm2_8m_gvp_local", "--seq", plm_folders["esm"], *values, "--layers",
                     "1,2")  # fmt: skip
    assert done.code == 0, done.err
    assert "schnet has no published weights" in done.err
    best = load_config(tmp_path / "out/best.yaml")
    layer = json.loads((tmp_path / "out/probe.json").read_text())["layers"]["esm"]
    assert best.sequence.layers == layer and best.fusion.name == "local"
    space = parse_space("own", {"fusion.after": {"exchanges": [1, 3]},
                         "sequence.layers": {"int": [1, 2]}})  # fmt: skip
    numbers = own_numbers(space, best)
    assert numbers["sequence.layers"] == layer
    drawn = Config.from_dict(space.draw(optuna.trial.FixedTrial(numbers), best.to_dict(), depths))
    assert drawn.sequence == best.sequence
    assert resolve(drawn).exchanges == resolve(best).exchanges
    assert max(k for k, _ in resolve(best).exchanges) == layer


@pytest.mark.slow
def test_the_search_that_is_told_runs(
    zoo_probe: Any, tmp_path: Path, capsys: Any, plm_folders: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """It names a graph network, because a search of fusions needs both branches."""
    done = zoo_probe("--seq", plm_folders["esm"], "--layers", "1", out="a folder")
    (told,) = (line for line in done.out.splitlines() if line.startswith("start a search there: "))
    python, m, verb, *words = shlex.split(told.removeprefix("start a search there: "))
    assert (python, m, verb) == ("python", "-m", "zoo.search")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZOO_STORE", str(tmp_path / "store"))
    quick = ("--trials", 1, "--retrain", 0, "--set", "train.epochs=1", "--set", "graph.k=6")
    searched = call(capsys, "search", *words, *quick)
    assert searched.code == 0, searched.err


def test_an_answer_of_an_earlier_probe_does_not_stay(
    zoo_probe: Any, tmp_path: Path, plm_folders: dict[str, str]
) -> None:
    best = tmp_path / "out/best.yaml"
    assert zoo_probe("--seq", plm_folders["esm"], "--layers", "1").code == 0 and best.is_file()
    assert zoo_probe("--features", "surface").code == 0 and not best.exists()
    best.write_text("task: ppbs  # of a search\n")
    assert zoo_probe("--features", "surface").code == 0 and best.is_file()


@pytest.mark.parametrize("weights", ["random", "auto"])
def test_random_weights_are_told_and_begin_a_search_too(
    zoo_probe: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights: str
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("zoo.backbones.weights.cached_folder", lambda *_, **__: None)
    done = zoo_probe("--seq", "esm2_8m", "--set", f"sequence.weights={weights}", "--layers", "1",
                     "--random")  # fmt: skip
    assert done.code == 0, done.err
    assert RANDOM_WARNING in done.err and "--random adds nothing" in done.err
    assert load_config(tmp_path / "out/best.yaml").sequence.layers == 1


def test_exchanges_that_still_fit_stay() -> None:
    base = Config().with_values(["fusion.after=[[2, 1], [4, 2]]"])
    assert config_of(base, 4).fusion.after == [[2, 1], [4, 2]]
    assert config_of(base, 3).fusion.after is None
    last = Config().with_values(["fusion.after=[[2, 1], [-1, -1]]"])
    assert config_of(last, 3).fusion.after == [[2, 1], [-1, -1]]
    assert config_of(last, 2).fusion.after is None


def test_a_stop_keeps_what_is_stored(
    zoo_probe: Any, tmp_path: Path, data: Path, plm_folders: dict[str, str]
) -> None:
    config = load(plm_folders, **{"structure.name": "mpnn"})
    for number in (0, 1):
        _stopped_and_continued(
            branches(config, None, "1234", tmp_path / "store", "cpu")[number], data
        )


def _stopped_and_continued(source: Source, data: Path) -> None:
    asked, missing = list[int](), list[int]()
    stopping = Listener(asked=lambda: bool(asked.append(1)) or len(asked) > 3)
    told = Listener(say=lambda text: missing.append(int(text.split(":")[1].split()[0])))
    with Store(data / STORE) as store:
        with pytest.raises(Stopped, match="the same command continues"):
            source.fill(store.__getitem__, store.keys(), stopping)
        for _ in range(2):
            source.fill(store.__getitem__, store.keys(), told)
        assert len(missing) == 1 and 0 < missing[0] < len(store)


def test_ctrl_c_ends_with_its_code(
    zoo_probe: Any, plm_folders: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo.probe.terminal", lambda asked: Listener(asked=lambda: True))
    done = zoo_probe("--seq", plm_folders["esm"])
    assert done.code == INTERRUPTED and "the same command continues" in done.err


@pytest.mark.parametrize(
    "words, code, told",
    [
        ((), 2, "nothing to probe"),
        (("--seq", "PLM", "--layers", "1,9"), 2, "layers 1 to"),
        (("--seq", "PLM", "--layers", "0"), 2, "one-hot"),
        (("--seq", "PLM", "--layers", "one"), 2, "as in 1,3,-1"),
        (("--features", "surfaec"), 2, "Did you mean 'surface'"),
        (("--features", "surface", "--fold", "2"), 2, "no folds"),
        (("--features", "surface", "--layers", "1"), 2, "none is named"),
        (("--struct", "gvp"), 2, "structure.weights=random"),
        (("bce_plm_mini_gat_serial",), 4, "is 'bce'"),
    ],
)
def test_mistakes_are_told(
    zoo_probe: Any, plm_folders: dict[str, str], words: tuple[str, ...], code: int, told: str
) -> None:
    done = zoo_probe(*(plm_folders["esm"] if word == "PLM" else word for word in words))
    assert done.code == code and told in done.err


def test_data_without_structures_are_told(capsys: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = ["id,sequence,split,activity"]
    for at in range(12):
        letters = "".join(rng.choice(list("ACDEFGHIKLMNPQRSTVWY"), at + 7))
        rows.append(f"p{at},{letters},{('train', 'validation', 'test')[at % 3]},{at}")
    (tmp_path / "labels.csv").write_text("\n".join(rows) + "\n")
    prepared = tmp_path / "prepared"
    call(capsys, "prepare", "table", "--data", tmp_path / "labels.csv", "--out", prepared)
    words = ("--data", prepared, "--out", tmp_path / "out", "--store", tmp_path / "store")
    done = call(capsys, "probe", *words, "--struct", "mpnn")
    assert done.code == 4 and "4 samples are left out: it has no coordinates" in done.err


def test_a_protein_without_a_structure_is_left_out_and_counted(capsys: Any, tmp_path: Path) -> None:
    found = runs.samples(runs.BINDING)
    protein = found[0].protein
    chain = shelf.without(protein.chains[0], range(len(protein)))
    blank = dataclasses.replace(protein, chains=(chain,))
    found[0] = dataclasses.replace(found[0], protein=blank)
    data = runs.prepare(tmp_path / "data", [runs.BINDING], found)
    done = call(capsys, "probe", "--data", data, "--out", tmp_path / "out", "--store",
                tmp_path / "store", "--struct", "mpnn", "--test", "--bootstrap", 5)  # fmt: skip
    assert done.code == 0, done.err
    assert "18 samples in = 17 done + 1 left out" in done.out


# The sources


def samples(data: Path) -> dict[str, Any]:
    with Store(data / STORE) as store:
        return {key: store[key] for key in store.keys()}


def test_the_states_of_a_graph_network_are_those_that_it_computes(
    data: Path, tmp_path: Path
) -> None:
    config = Config().with_options({"sequence.name": "none", "structure.name": "mpnn"})
    config = config.with_values(["structure.args.log_odds=true"])
    (source,) = branches(config, None, "1234", tmp_path / "store", "cpu")
    found = samples(data)
    key, sample = next(iter(found.items()))
    source.fill(found.__getitem__, [key], SILENT)
    assert [part.name for part in source.parts] == ["layer 1", "layer 2", "layer 3", OUTPUT]
    model = build_model(resolve(config))
    with torch.no_grad():
        whole = model.features(model.batch([sample.protein]))
    *_, last, output = (part.rows(key, sample) for part in source.parts)
    shelf.assert_close(torch.from_numpy(last), whole[:, :128].bfloat16().float())
    shelf.assert_close(torch.from_numpy(output), whole[:, 128:].bfloat16().float(), scale=10)


def test_a_residue_of_several_atoms_has_their_mean() -> None:
    states = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 9.0], [7.0, 7.0]])
    found = _by_residue(states, torch.tensor([2, 2, 0, -1]), 3)
    nan = float("nan")
    assert np.array_equal(found, [[5.0, 9.0], [nan, nan], [2.0, 3.0]], equal_nan=True)
    assert found.dtype == np.float32


def test_a_model_that_reads_structures_is_probed_with_them(tmp_path: Path) -> None:
    """Two structures of one sequence have states of their own, those of the live model."""
    letters = shelf.ordinary(24, seed=1).chains[0].sequence
    found = {}
    for seed in (1, 2):
        chain = dataclasses.replace(shelf.ordinary(24, seed).chains[0], sequence=letters)
        found[str(seed)] = Sample(str(seed), shelf.protein(str(seed), chain), {})
    config = Config().with_options(
        {"sequence.name": shelf.save_saprot(tmp_path / "saprot"), "structure.name": "none"}
    )
    (source,) = branches(
        config.with_values(["train.store=float32"]), None, "1234", tmp_path / "store", "cpu"
    )
    source.fill(found.__getitem__, list(found), SILENT)
    model = build_model(resolve(config))
    assert model.seq is not None
    first, second = (source.parts[-1].rows(key, sample) for key, sample in found.items())
    assert np.abs(first - second).max() > 1e-3
    for key, sample in found.items():
        live: dict[int, torch.Tensor] = {}
        batch = model.batch([sample.protein])
        with torch.no_grad():
            model.seq(batch.tokens, batch.attend, lambda k, h, kept=live: kept.setdefault(k, h))
        for part in source.parts:
            assert part.layer is not None
            rows = torch.from_numpy(part.rows(key, sample))
            shelf.assert_close(rows, live[part.layer][0, 1 : len(letters) + 1])


def test_feature_sets_are_those_of_the_graph(data: Path) -> None:
    source = feature_sets(list(FEATURE_SETS))
    sample = next(iter(samples(data).values()))
    for part in source.parts:
        rows = part.rows("", sample)
        assert rows.shape == (len(sample.protein), FEATURE_SETS[part.name].scalars)
        if part.name != "backbone":
            assert rows == pytest.approx(computed(sample.protein, [part.name]).scalars, abs=1e-6)


def test_states_of_a_file_are_one_layer(tmp_path: Path, data: Path) -> None:
    folder = tmp_path / "states"
    folder.mkdir()
    found = samples(data)
    lines = []
    for key, sample in found.items():
        sequence = sample.protein.chains[0].sequence
        np.save(folder / f"{key}.npy", np.arange(len(sequence) * 4.0).reshape(-1, 4))
        lines.append(f">{key}\n{sequence}\n")
    (folder / "sequences.fasta").write_text("".join(lines))
    config = Config().with_options({"sequence.name": f"states:{folder}", "structure.name": "none"})
    (source,) = branches(config, None, "1234", tmp_path / "store", "cpu")
    key, sample = next(iter(found.items()))
    (part,) = source.parts
    expected = np.arange(len(sample.protein) * 4.0).reshape(-1, 4)
    assert part.layer == 1 and np.array_equal(part.rows(key, sample), expected)
    assert not controls(config, [source], None, "1234", tmp_path / "store", "cpu")


def test_states_are_those_of_training_whatever_a_model_is_called(
    data: Path, tmp_path: Path, plm_folders: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(plm_folders["esm"])
    monkeypatch.chdir(folder)
    found = samples(data)
    kept = tmp_path / "store/states"
    for name in (".", f"../{folder.name}", str(folder)):
        config = Config().with_options({"sequence.name": name, "structure.name": "none"})
        (source,) = branches(config, [1], "1234", tmp_path / "store", "cpu")
        source.fill(found.__getitem__, list(found)[:1], SILENT)
        assert source.name == folder.name and len(list(kept.iterdir())) == 1
        assert Path(resolve(config).resolved.sequence.name).name == source.name  # in training


def test_layers_are_counted_from_both_ends() -> None:
    assert chosen_layers(None, 3) == [1, 2, 3]
    assert chosen_layers([-1, 1, 3], 3) == [1, 3]
