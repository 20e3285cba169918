"""Every verb with a language model that reads the structure, of SaProt's shape and tiny."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
import yaml

import zoo
from tests import shelf
from tests.hpo import tiny
from tests.training import runs
from tests.verbs import call
from zoo.errors import DataError
from zoo.prediction.embedding import plm_layers
from zoo.probing.sources import branches
from zoo.proteins.files.scores import write_scored
from zoo.settings.config import Config
from zoo.system.listener import SILENT

LETTERS = shelf.ordinary(24, seed=1).chains[0].sequence
FASTA = ">p1\nMKTAYIAKQR\n>p2\nACDEFGHIKLMNPQRSTVWY\n"
VALUES = {**runs.SMALL, "graph.k": 8, "task": "ppbs", "structure.name": "mpnn", "train.epochs": 1}


@dataclasses.dataclass(frozen=True)
class Place:
    """Prepared data, a config for SaProt with mpnn, and what `zoo train` made of both."""

    root: Path
    plm: str

    @property
    def config(self) -> Path:
        return self.root / "base.yaml"

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def store(self) -> Path:
        return self.root / "store"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    root = tmp_path_factory.mktemp("saprot")
    plm = shelf.save_saprot(root / "plm")
    runs.quick_data(root / "data", runs.BINDING)
    values = {**VALUES, "sequence.name": plm}
    config = Config().with_values([f"{key}={value}" for key, value in values.items()])
    (root / "base.yaml").write_text(yaml.safe_dump(config.to_dict()))
    return Place(root, plm)


def trained(capsys: pytest.CaptureFixture[str], place: Place, name: str, *options: object) -> Path:
    out = place.root / name
    if not out.exists():
        done = call(capsys, "train", place.config, "--data", place.data, "--out", out,
                    "--store", place.store, *options)  # fmt: skip
        assert done.code == 0, done.err
        assert "3Di" not in done.err
    return out


@pytest.fixture
def folds(tmp_path: Path) -> Path:
    """One sequence in two structures."""
    folder = tmp_path / "folds"
    folder.mkdir()
    for seed in (1, 2):
        chain = dataclasses.replace(shelf.ordinary(24, seed).chains[0], sequence=LETTERS)
        write_scored(folder / f"fold{seed}.pdb", shelf.protein("fold", chain), np.zeros(24))
    return folder


@pytest.mark.parametrize("options", [
    (), ("--set", "fusion.write_back=deep"), ("--set", "train.store=none"),
    ("--set", "train.noise=0.2", "--set", "train.mask_types=0.3"),
    ("--set", "sequence.tuning=lora", "--set", "fusion.write_back=deep"),
], ids=["side", "deep", "live", "noise", "lora"])  # fmt: skip
def test_it_trains_from_stored_states_and_live(
    capsys: pytest.CaptureFixture[str], place: Place, folds: Path, options: tuple[str, ...]
) -> None:
    out = trained(capsys, place, "run" + "".join(options[1::2]), *options)
    model = zoo.load_model(out)
    assert model.seq is not None and model.seq.reads == "both"
    proteins = [zoo.read_structure(path) for path in sorted(folds.iterdir())]
    with torch.no_grad():
        together = model(model.batch(proteins)).split(24)
        for protein, rows in zip(proteins, together, strict=True):
            shelf.assert_close(rows, model(model.batch([protein])))


def test_predictions_of_two_structures_differ_through_the_language_model(
    capsys: pytest.CaptureFixture[str], place: Place, folds: Path, tmp_path: Path
) -> None:
    run = trained(capsys, place, "alone", "--struct", "none")
    done = call(capsys, "predict", folds, "--model", run, "--out", tmp_path / "out")
    assert done.code == 0, done.err
    with (tmp_path / "out" / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    values = [[row for row in rows if row["id"] == f"fold{seed}"] for seed in (1, 2)]
    columns = [[v for k, v in r.items() if k not in ("id", "source")] for r in values[0]]
    assert len(values[0]) == len(values[1]) == 24
    assert columns != [[v for k, v in r.items() if k not in ("id", "source")] for r in values[1]]
    again = call(capsys, "predict", folds, "--model", run, "--out", tmp_path / "out")
    assert again.code == 0 and "already" in again.err + again.out


@pytest.mark.filterwarnings("default:the language model reads the structure")
@pytest.mark.parametrize("verb", ["predict", "embed", "explain"])
def test_a_verb_says_once_that_sequences_have_no_structure(
    capsys: pytest.CaptureFixture[str], place: Place, tmp_path: Path, verb: str
) -> None:
    run = trained(capsys, place, "alone", "--struct", "none")
    fasta = tmp_path / "some.fasta"
    fasta.write_text(FASTA if verb != "explain" else FASTA.partition(">p2")[0])
    out = tmp_path / ("out" if verb != "embed" else "out.h5")
    done = call(capsys, verb, fasta, "--model", run, "--out", out)
    assert done.code == 0, done.err
    assert done.err.count("in the place of each 3Di letter") == 1


def test_a_sequence_is_not_the_structure_of_its_name(
    capsys: pytest.CaptureFixture[str], place: Place, folds: Path, tmp_path: Path
) -> None:
    fasta, out = tmp_path / "fold.fasta", tmp_path / "out.h5"
    fasta.write_text(f">fold1\n{LETTERS}\n")
    for inputs, code in ((folds / "fold1.pdb", 0), (fasta, 1), (folds / "fold1.pdb", 0)):
        done = call(capsys, "embed", inputs, "--model", place.plm, "--out", out)
        assert done.code == code, done.err
    fasta_alone = [call(capsys, "embed", fasta, "--model", "plm_mini", "--out", tmp_path / "s.h5")
                   for _ in range(2)]  # fmt: skip
    assert "1 already there" in fasta_alone[1].out


@pytest.mark.filterwarnings("default:the language model reads the structure")
def test_a_structure_that_turns_out_to_be_predicted_is_predicted_again(
    capsys: pytest.CaptureFixture[str], place: Place, folds: Path, tmp_path: Path
) -> None:
    run = trained(capsys, place, "alone", "--struct", "none")
    file, out, found = folds / "fold1.pdb", tmp_path / "out", []
    for title in ("", "TITLE     ALPHAFOLD PREDICTION\n"):
        file.write_text(title + file.read_text())  # its B-factors are 0
        done = call(capsys, "predict", file, "--model", run, "--out", out)
        assert done.code == 0, done.err
        found.append((out / "predictions.csv").read_text())
    assert found[0] != found[1] and "in the place of each 3Di letter" in done.err


def test_a_model_of_3di_letters_alone_refuses_sequences_and_goes_on(
    capsys: pytest.CaptureFixture[str], folds: Path, tmp_path: Path
) -> None:
    (tmp_path / "two.fasta").write_text(FASTA)
    model = zoo.create_model(_tiny_prost(tmp_path), "none")
    zoo.save_model(model, tmp_path / "model")
    done = call(capsys, "embed", tmp_path / "two.fasta", folds, "--model", tmp_path / "model",
                "--out", tmp_path / "out.h5")  # fmt: skip
    assert done.code == 1 and "p1 has no residue with N, CA and C" in done.err
    with h5py.File(tmp_path / "out.h5") as file:
        assert sorted(file) == ["fold1", "fold2"]


def _tiny_prost(folder: Path) -> str:
    from transformers import T5Tokenizer

    from tests.backbones import published
    from zoo.backbones import residue_tokens

    made = published.weights("t5", folder / "prost_t5")
    words = [(w if len(w) > 1 else "\u2581" + w, 0.0) for w in residue_tokens._PROT_T5]
    tokenizer = T5Tokenizer(vocab=words, extra_ids=100)
    tokenizer.add_tokens([*"algvsredtipkfqnymhwc", "<fold2AA>", "<AA2fold>"])
    tokenizer.save_pretrained(made)
    return f"{made}::3di"


def test_states_in_a_file_are_those_of_each_structure(
    capsys: pytest.CaptureFixture[str], place: Place, folds: Path, tmp_path: Path
) -> None:
    out = tmp_path / "states.h5"
    done = call(capsys, "embed", folds, "--model", place.plm, "--layer", "raw", "--out", out)
    assert done.code == 0, done.err
    with h5py.File(out) as file:
        assert not np.allclose(file["fold1/raw"][()], file["fold2/raw"][()])
    file_model = zoo.create_model(f"states:{out}", "none")
    live = zoo.create_model(place.plm, "none")
    proteins = [zoo.read_structure(path) for path in sorted(folds.iterdir())]
    for protein in proteins:
        batch = file_model.batch([protein])
        (states,) = file_model.tap(batch).values()
        expected = plm_layers(live, live.batch([protein]), {"raw": live.seq.num_layers})["raw"]
        assert torch.equal(states, expected)
    unseen = dataclasses.replace(shelf.ordinary(24, 3).chains[0], sequence=LETTERS)
    with pytest.raises(DataError, match="24 residues.*in this structure"):
        file_model.batch([shelf.protein("unseen", unseen)])


@pytest.mark.filterwarnings("ignore:a chain of 70 residues is longer")
def test_a_run_on_a_file_of_its_states_is_trained_and_predicts(
    capsys: pytest.CaptureFixture[str], place: Place, folds: Path, tmp_path: Path
) -> None:
    structures = tmp_path / "samples"
    structures.mkdir()
    for sample in runs.samples(runs.BINDING):
        write_scored(structures / f"{sample.id}.cif", sample.protein, np.zeros(len(sample.protein)))
    for inputs, out in ((structures, "train.h5"), (folds, "new.h5")):
        done = call(capsys, "embed", inputs, "--model", place.plm, "--layer", "raw", "--out",
                    tmp_path / out)  # fmt: skip
        assert done.code == 0, done.err
    run = tmp_path / "run"
    done = call(capsys, "train", place.config, "--data", place.data, "--out", run, "--store",
                place.store, "--seq", f"states:{tmp_path / 'train.h5'}")  # fmt: skip
    assert done.code == 0, done.err
    done = call(capsys, "predict", folds, "--model", run, "--states", tmp_path / "new.h5", "--out",
                tmp_path / "out")  # fmt: skip
    assert done.code == 0, done.err


def test_it_is_explained(
    capsys: pytest.CaptureFixture[str], place: Place, folds: Path, tmp_path: Path
) -> None:
    run = trained(capsys, place, "run")
    done = call(capsys, "explain", folds / "fold1.pdb", "--model", run, "--out", tmp_path / "out",
                "--steps", 4, "--json")  # fmt: skip
    assert done.code == 0, done.err
    with (tmp_path / "out" / "residues.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert sum(abs(float(row["by_sequence"])) for row in rows) > 0


def test_rows_of_an_ablation_are_trained_with_it(
    capsys: pytest.CaptureFixture[str], place: Place, tmp_path: Path
) -> None:
    done = call(capsys, "ablate", place.config, "--data", place.data, "--out", tmp_path,
                "--seeds", 1, "--bootstrap", 20, "--store", place.store, "--json",
                "--row", "serial", "--row", "local-side", "--row", "sequence",
                "--struct", "mpnn")  # fmt: skip
    assert done.code == 0, done.err
    rows = {row["row"] for row in json.loads(done.out)}
    assert rows == {"serial", "local-side", "sequence"}


@pytest.mark.slow
def test_it_is_searched_over(
    capsys: pytest.CaptureFixture[str], place: Place, tmp_path: Path
) -> None:
    space = tiny.space_file(tmp_path, {"fusion.args.gate_width": {"int": [2, 8]}})
    done = call(capsys, "search", place.config, "--data", place.data, "--storage",
                tmp_path / "study.log", "--space", space, "--store", place.store, "--trials", 1,
                "--accelerator", "cpu", "--pruner", "none", "--retrain", 0)  # fmt: skip
    assert done.code == 0, done.err
    assert "1 of 1" in done.err


def test_its_layers_are_probed_as_it_reads_the_structure(place: Place, tmp_path: Path) -> None:
    config = Config.from_dict(yaml.safe_load(place.config.read_text()))
    config = config.with_options({"structure.name": "none", "train.store": "float32"})
    (source,) = branches(config, [2], "1234", tmp_path, "cpu")
    samples = {x.id: x for x in runs.samples(runs.BINDING, count=2)}
    source.fill(samples.__getitem__, list(samples), SILENT)
    model = zoo.create_model(place.plm, "none")
    for key, sample in samples.items():
        batch = model.batch([sample.protein])
        rows = plm_layers(model, batch, {"two": 2})["two"].detach().numpy()
        assert np.array_equal(source.parts[0].rows(key, sample), rows)
