"""`zoo embed`: what is written, and that nothing is done twice or lost."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

import zoo
from tests import shelf
from tests.verbs import call
from zoo.backbones.states_file import open_states
from zoo.backbones.states_places import key_of
from zoo.errors import ConfigError
from zoo.models import headroom
from zoo.prediction import embedding, embedding_file, feature_check, inputs
from zoo.prediction.embedding_layouts import LAYOUTS
from zoo.proteins.files.scores import write_scored
from zoo.system.locks import alone
from zoo.system.memory import check_fits
from zoo.system.transactions import TransactionFile

pytestmark = pytest.mark.filterwarnings("ignore::zoo.errors.RandomWeightsWarning")
FASTA = ">p1 first\nMKTAYIAKQR\nQISFVKSHF\n>p2\nACDEFGHIKLMNPQRSTVWY\n>p3\nmstnpkpqrkt\n"
PLAIN = ("--model", "esm2_8m", "--weights", "random")


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory):
    model = zoo.create_model("esm2_8m", "gat", fusion="global", weights="random")
    return zoo.save_model(model, tmp_path_factory.mktemp("model"))


@pytest.fixture
def fasta(tmp_path):
    path = tmp_path / "some.fasta"
    path.write_text(FASTA)
    return path


@pytest.fixture
def structures(tmp_path):
    """Five files under names of their own."""
    folder = tmp_path / "structures"
    folder.mkdir()
    content = Path("zoo/examples/1a8o.cif.gz").read_bytes()
    for i in range(5):
        (folder / f"s{i}.cif.gz").write_bytes(content)
    return folder


ALL_FIVE = {"of": "proteins", "in": 5, "done": 5, "left_out": 0, "reasons": {}}


def test_fused_features_equal_the_models(capsys, tmp_path, model_dir):
    out = tmp_path / "f.h5"
    done = call(capsys, "embed", "zoo/examples/1a8o.cif.gz", "--model", model_dir, "--out", out)
    assert done.code == 0, done.err
    assert "RANDOM WEIGHTS" in done.err
    model = zoo.load_model(model_dir)
    batch = model.batch([zoo.read_structure("zoo/examples/1a8o.cif.gz")])
    with h5py.File(out) as file:
        torch.testing.assert_close(torch.tensor(file["1a8o/fused"][:]), model.features(batch))
        assert file["1a8o/residues"][0] == b"A:151:M"
        assert len(file["1a8o"].attrs["sequence_hash"]) == 32


def test_of_an_ensemble_the_first_model_is_taken(capsys, tmp_path):
    out = tmp_path / "f.h5"
    done = call(capsys, "embed", "zoo/examples/1a8o.cif.gz", "--model", "ppbs", "--out", out)
    assert done.code == 0, done.err
    assert "models: the features are those of the first" in done.err
    model = zoo.load_model("ppbs")
    batch = model.batch([zoo.read_structure("zoo/examples/1a8o.cif.gz")])
    with h5py.File(out) as file:
        torch.testing.assert_close(torch.tensor(file["1a8o/fused"][:]), model.features(batch))


def test_layers_equal_the_hidden_states_of_hugging_face(capsys, tmp_path, fasta):
    out = tmp_path / "f.h5"
    layers = [arg for k in (0, 3, -1) for arg in ("--layer", k)]
    assert call(capsys, "embed", fasta, *PLAIN, *layers, "--out", out).code == 0
    seq = zoo.create_model("esm2_8m", "none", weights="random").seq
    tokens = seq.tokenize(["ACDEFGHIKLMNPQRSTVWY"])
    with torch.no_grad():
        hidden = seq.model(
            input_ids=tokens.ids, attention_mask=tokens.attend.long(), output_hidden_states=True
        ).hidden_states
    with h5py.File(out) as file:
        for k in (0, 3, -1):
            stored = torch.tensor(file[f"p2/{k}"][:])
            torch.testing.assert_close(stored, hidden[k][0, 1:-1], atol=1e-5, rtol=1e-5)


def test_a_model_of_single_chains_embeds_each_chain_of_a_complex_alone(capsys, tmp_path, model_dir):
    path, whole = tmp_path / "pair.cif", shelf.two_chains()
    write_scored(path, whole, np.zeros(len(whole)))
    rows = {}
    for name, given, options in (
        ("alone", [path], ["--as", "chain"]), ("whole", [path], []),
        ("one by one", [f"{path}:A", f"{path}:B"], []),
    ):  # fmt: skip
        out = tmp_path / f"{name}.h5"
        done = call(capsys, "embed", *given, "--model", model_dir, "--out", out, *options)
        assert done.code == 0 and "several chains" not in done.err  # what was asked for is not told
        with h5py.File(out) as file:
            groups = [file[name] for name in sorted(file)]
            rows[name] = np.concatenate([group["fused"][:] for group in groups])
            names = [text for group in groups for text in group["residues"][:]]
        assert [text[:1] for text in names] == [b"A"] * 9 + [b"B"] * 7
    np.testing.assert_allclose(rows["alone"], rows["one by one"], atol=1e-5)
    assert not np.allclose(rows["alone"], rows["whole"], atol=1e-3)

    trained = shutil.copytree(model_dir, tmp_path / "trained")
    config = trained / "config.yaml"
    config.write_text(config.read_text().replace("scope: null", "scope: chain"))
    (trained / "checksums.json").unlink()
    out = tmp_path / "trained.h5"
    done = call(capsys, "embed", path, "--model", trained, "--out", out)
    assert done.code == 0 and "1 structure has several chains" in " ".join(done.err.split())
    with h5py.File(out) as file:
        np.testing.assert_array_equal(file["pair/fused"][:], rows["alone"])


def test_pooled_is_the_mean_and_half_is_half_as_large(capsys, tmp_path, fasta):
    full, pooled = tmp_path / "full.h5", tmp_path / "pooled.h5"
    call(capsys, "embed", fasta, *PLAIN, "--out", full)
    call(capsys, "embed", fasta, *PLAIN, "--pool", "--half", "--out", pooled)
    with h5py.File(full) as a, h5py.File(pooled) as b:
        assert b["p1/fused"].dtype == np.float16
        np.testing.assert_allclose(b["p1/fused"][:], a["p1/fused"][:].mean(0), atol=2e-3)


def test_interrupted_and_resumed_equals_uninterrupted(
    capsys, tmp_path, structures, model_dir, monkeypatch
):
    whole, parts = tmp_path / "whole.h5", tmp_path / "parts.h5"
    options = ("--model", model_dir, "--tokens", 80)
    assert call(capsys, "embed", structures, *options, "--out", whole).code == 0

    done_by = []
    real = embedding.write_batch

    def interrupting(proteins, rows, file):
        real(proteins, rows, file)
        done_by.append([protein.name for protein in proteins])
        if len(done_by) == 2:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(embedding, "write_batch", interrupting)
    first = call(capsys, "embed", structures, *options, "--out", parts)
    assert first.code == 130
    assert "the same command continues" in first.err
    second = call(capsys, "embed", structures, *options, "--out", parts, "--json")
    assert json.loads(second.out) | {"out": ""} == {
        "out": "", "written": 3, "kept": 2, "failed": {}, "unsure": 0, "interrupted": False,
        "sum": ALL_FIVE,
    }  # fmt: skip
    names = sum(done_by, [])
    assert len(names) == len(set(names)) == 5
    with h5py.File(whole) as a, h5py.File(parts) as b:
        assert set(a) == set(b)
        for name in a:
            np.testing.assert_array_equal(a[name]["fused"][:], b[name]["fused"][:])


@pytest.mark.slow
def test_a_killed_run_loses_only_what_was_under_way(tmp_path, structures, model_dir):
    out = tmp_path / "killed.h5"
    command = [
        sys.executable, "-m", "zoo.embed", structures, "--model", model_dir, "--out", out,
        "--tokens", "80",
    ]  # fmt: skip
    process = subprocess.Popen([str(part) for part in command], stderr=subprocess.DEVNULL)
    deadline = time.time() + 60
    while time.time() < deadline and not (out.exists() and out.stat().st_size > 200_000):
        time.sleep(0.02)
    process.kill()
    process.wait()
    again = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    with h5py.File(out) as file:
        assert set(file) == {f"s{i}" for i in range(5)}


def _three(out):
    """Return the command that embeds three sequences, one batch each, into a file."""
    return ("embed", out.parent / "some.fasta", "--model", "plm_mini", "--tokens", 16, "--out", out)


DIE = """
import os, signal, sys
from zoo.prediction import embedding_file
from zoo.system.transactions import TransactionFile
place, count = sys.argv.pop(1), int(sys.argv.pop(1))
owner = TransactionFile if hasattr(TransactionFile, place) else embedding_file.EmbeddingFile
if place in ("write", "flush"):
    owner = embedding_file.EmbeddingFile
real = getattr(owner, place)
def dying(*args):
    global count
    count -= 1
    if count < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*args)
setattr(owner, place, dying)
from zoo.embed import embed, run
run(embed)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "calls", "kept"),
    [("write", 0, 0), ("flush", 1, 1), ("_reserve", 1, 2), ("_carry_out", 1, 1)],
)
def test_a_process_that_was_killed_anywhere_is_gone_on_with(
    capsys, tmp_path, fasta, place, calls, kept
):
    """In `_reserve` the journal is whole, and `_carry_out` is first called with the file's name."""
    out = tmp_path / "f.h5"
    _, *words = map(str, _three(out))
    done = subprocess.run([sys.executable, "-c", DIE, place, str(calls), *words])
    assert done.returncode == -signal.SIGKILL
    again = call(capsys, *_three(out), "--json")
    assert again.code == 0, again.err
    assert json.loads(again.out)["kept"] == kept
    with h5py.File(out) as file:
        assert set(file) == {"p1", "p2", "p3"}
    assert not list(tmp_path.glob("*.journal"))


def test_a_file_that_was_just_begun_by_an_earlier_version_is_gone_on_with(capsys, tmp_path, fasta):
    out = tmp_path / "f.h5"
    with h5py.File(out, "w") as file:
        file.attrs["description"] = "x"
    os.truncate(out, 96)
    assert call(capsys, *_three(out)).code == 0
    out.write_bytes(b"")  # this may be anyone's
    assert call(capsys, *_three(out)).code == 2


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_zeroed_block_is_found_and_only_what_it_holds_is_done_again(
    capsys, tmp_path, fasta, share
):
    out = tmp_path / "f.h5"
    assert call(capsys, *_three(out)).code == 0
    with h5py.File(out) as file:
        before = {name: file[name]["fused"][:] for name in file}
        rows = file["p2/fused"].id
        at = rows.get_offset() + int(share * rows.get_storage_size())
    with out.open("rb+") as raw:
        raw.seek(at)
        raw.write(bytes(64))
    done = call(capsys, *_three(out), "--json")
    assert done.code == 0, done.err
    assert "1 of 3 proteins are damaged and were taken out: p2." in done.err
    found = json.loads(done.out)
    assert (found["written"], found["kept"]) == (1, 2)
    with h5py.File(out) as file:
        assert set(file) == set(before)
        for name, values in before.items():
            np.testing.assert_array_equal(file[name]["fused"][:], values)


def test_damage_anywhere_is_mended_or_an_error(tmp_path, fasta, monkeypatch):
    monkeypatch.setattr(feature_check, "PATIENCE", 3.0)  # HDF5 stands still at some of these
    model = zoo.load_model("ppbs")
    settings = embedding_file.Settings(("fused",), pool=True, half=False)
    out = tmp_path / "f.h5"
    with embedding_file.EmbeddingFile(out, model, settings) as file:
        for at, protein in enumerate(zoo.read_proteins(fasta)):
            file.write(protein, {"fused": torch.full((8,), float(at))}, [])
        file.flush()
    whole = out.read_bytes()
    for start in range(0, len(whole), len(whole) // 6):
        out.write_bytes(whole[:start] + bytes(512) + whole[start + 512 :])
        try:
            with embedding_file.EmbeddingFile(out, model, settings) as file:
                for at, protein in enumerate(zoo.read_proteins(fasta)):
                    if file.has(protein):
                        assert (file.file[protein.name]["fused"][:] == at).all()
        except ConfigError as error:
            assert str(out) in str(error)


def test_a_process_that_stands_still_is_ended(capsys, tmp_path, fasta, monkeypatch):
    out = tmp_path / "f.h5"
    assert call(capsys, *_three(out)).code == 0
    monkeypatch.setattr(feature_check, "PATIENCE", 0.0)
    done = call(capsys, *_three(out))
    assert done.code == 2 and "HDF5 stood still for 0 s" in done.err


def test_a_check_that_fails_is_not_taken_for_a_file_without_damage(
    capsys, tmp_path, fasta, monkeypatch
):
    out, broken = tmp_path / "f.h5", tmp_path / "broken.py"
    assert call(capsys, *_three(out)).code == 0
    broken.write_text("raise ImportError('h5py')")
    monkeypatch.setattr(feature_check, "__file__", str(broken))
    done = call(capsys, *_three(out))
    assert done.code == 2 and "the check ended with code 1" in done.err


def test_a_file_without_checksums_is_gone_on_with(capsys, tmp_path, fasta):
    out = tmp_path / "f.h5"
    assert call(capsys, *_three(out)).code == 0
    with h5py.File(out, "r+") as file:
        for group in file.values():
            del group.attrs[feature_check.CHECKSUM]
    assert "0 written, 3 already there" in call(capsys, *_three(out)).out


def test_a_file_is_one_process_s(capsys, tmp_path, fasta):
    out = tmp_path / "f.h5"
    with alone(out, tmp_path / ".f.h5.lock"):
        done = call(capsys, *_three(out))
    assert done.code == 2 and f"Another process is writing in {out}" in done.err
    assert call(capsys, *_three(out)).code == 0


def test_a_full_disk_keeps_what_was_embedded_before(capsys, tmp_path, fasta, monkeypatch):
    out = tmp_path / "f.h5"
    real, calls = TransactionFile._reserve, []

    def full(self):
        calls.append(self)
        if len(calls) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(self)

    monkeypatch.setattr(TransactionFile, "_reserve", full)
    done = call(capsys, *_three(out))
    assert done.code == 5
    assert f"{out} cannot be written to: No space left on device. The proteins that" in done.err
    assert "1 written, 2 already there" in call(capsys, *_three(out)).out


def test_a_folder_that_cannot_be_written_to_is_told(capsys, tmp_path, fasta, monkeypatch):
    monkeypatch.setattr(Path, "mkdir", lambda *_, **__: (_ for _ in ()).throw(
        PermissionError(errno.EACCES, "Permission denied")))  # fmt: skip
    done = call(capsys, *_three(tmp_path / "f.h5"))
    assert done.code == 5 and f"{tmp_path} cannot be written to: Permission denied." in done.err


def test_memory_that_runs_out_costs_one_protein(capsys, tmp_path, fasta, monkeypatch):
    real = embedding.compute

    def greedy(model, batch, layers):
        if 20 in batch.graph.num_nodes:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to")
        return real(model, batch, layers)

    monkeypatch.setattr(embedding, "compute", greedy)
    out = tmp_path / "f.h5"
    done = call(capsys, "embed", fasta, "--model", "plm_mini", "--out", out)
    assert done.code == 1 and "p2: memory ran out over 20 residues" in done.err
    with h5py.File(out) as file:
        assert set(file) == {"p1", "p3"}


def test_a_protein_that_memory_cannot_hold_is_told_beforehand(
    capsys, tmp_path, structures, monkeypatch
):
    monkeypatch.setattr(headroom, "ALWAYS_FITS", 26)
    monkeypatch.setattr(
        headroom, "check_fits", lambda what, need, advice: check_fits(what, 1e18, advice)
    )
    for at in range(1, 5):
        (structures / f"s{at}.cif.gz").unlink()
    done = call(capsys, "embed", structures, "--model", "plm_mini", "--out", tmp_path / "f.h5")
    assert done.code == 1 and "residues (s0) needs about 1000000000.00 GB" in done.err


def test_a_changed_file_is_done_again(capsys, tmp_path, fasta):
    out = tmp_path / "f.h5"
    call(capsys, "embed", fasta, *PLAIN, "--out", out)
    fasta.write_text(FASTA.replace("ACDEF", "ACDEFW"))
    done = call(capsys, "embed", fasta, *PLAIN, "--out", out, "--json")
    assert (json.loads(done.out)["written"], json.loads(done.out)["kept"]) == (1, 2)
    with h5py.File(out) as file:
        assert file["p2/fused"].shape[0] == 21


def test_a_bad_file_is_told_and_the_others_are_done(capsys, tmp_path, structures, model_dir):
    (structures / "bad.pdb").write_text("<html>404</html>")
    done = call(capsys, "embed", structures, "--model", model_dir, "--out", tmp_path / "f.h5")
    assert done.code == 1
    assert "5 written" in done.out
    assert "bad.pdb" in done.err


def test_files_of_a_folder_that_are_not_read_are_told(capsys, tmp_path, structures, model_dir):
    (structures / "notes.docx").write_text("x")
    done = call(capsys, "embed", structures, "--model", model_dir, "--out", tmp_path / "f.h5")
    assert done.code == 0 and "1 file has no name of a structure" in done.err
    assert "notes.docx" in done.err


def test_files_of_one_name_in_several_folders_are_kept_apart(
    capsys, tmp_path, structures, model_dir
):
    for target in ("t1", "t2"):
        (structures / target).mkdir()
        (structures / target / "native.cif.gz").write_bytes((structures / "s0.cif.gz").read_bytes())
    out = tmp_path / "f.h5"
    done = call(capsys, "embed", structures, "--model", model_dir, "--out", out)
    assert done.code == 0, done.err
    with h5py.File(out) as file:
        assert "t2/native" in file
        assert file["t1/native/fused"].shape == file["s0/fused"].shape
    again = call(capsys, "embed", structures, "--model", model_dir, "--out", out, "--json")
    assert (json.loads(again.out)["written"], json.loads(again.out)["kept"]) == (0, 7)


def test_a_file_and_a_folder_of_one_name_do_not_overwrite_each_other(
    capsys, tmp_path, structures, model_dir
):
    (structures / "s0").mkdir()
    (structures / "s0" / "native.cif.gz").write_bytes((structures / "s0.cif.gz").read_bytes())
    out = tmp_path / "f.h5"
    done = call(capsys, "embed", structures, "--model", model_dir, "--out", out)
    assert done.code == 1
    assert "is taken by" in done.err
    assert "5 written" in done.out


def test_two_proteins_of_one_name_are_told_and_neither_replaces_the_other(
    capsys, tmp_path, fasta, monkeypatch
):
    monkeypatch.setattr(inputs, "WINDOW", 1)  # also when they are not read together
    other = tmp_path / "tother.fasta"
    other.write_text(">p2\nGGGG\n")
    for _ in range(2):
        done = call(capsys, "embed", fasta, other, *PLAIN, "--out", tmp_path / "f.h5")
        assert done.code == 1
        assert "the name 'p2' is taken" in done.err
    with h5py.File(tmp_path / "f.h5") as file:
        assert file["p2/fused"].shape[0] == 20


@pytest.mark.parametrize("former", [False, True])
def test_another_protein_of_one_name_is_refused_by_a_later_command(capsys, tmp_path, fasta, former):
    out = tmp_path / "f.h5"
    assert call(capsys, *_three(out)).code == 0
    if former:  # a group as earlier versions wrote it
        with h5py.File(out, "r+") as file:
            for name in (feature_check.CHECKSUM, embedding_file.CONTENT):
                del file["p2"].attrs[name]
    other = tmp_path / "other.fasta"
    other.write_text(">p2\nGGGG\n>new\nMKT\n")
    for written in (1, 0):
        done = call(capsys, "embed", other, "--model", "plm_mini", "--out", out)
        assert done.code == 1 and f"{written} written" in done.out
        said = " ".join(done.err.split())
        assert f"the name 'p2' is taken in {out} by a protein of another sequence ({fasta})" in said
    with h5py.File(out) as file:
        assert set(file) == {"p1", "p2", "p3", "new"} and file["p2/fused"].shape[0] == 20


def test_other_coordinates_of_one_name_are_refused_and_a_copy_is_kept(
    capsys, tmp_path, structures, model_dir
):
    out, folder = tmp_path / "f.h5", tmp_path / "other"
    options = ("--model", model_dir, "--out", out)
    assert call(capsys, "embed", structures, *options).code == 0
    folder.mkdir()
    protein = shelf.rotate(zoo.read_structure(structures / "s0.cif.gz"), shelf.rotation())
    write_scored(folder / "s0.cif", protein, np.zeros(len(protein)))
    (folder / "s1.cif.gz").write_bytes((structures / "s1.cif.gz").read_bytes())
    done = call(capsys, "embed", folder, *options)
    assert done.code == 1 and "0 written, 1 already there" in done.out
    assert "by a protein with other coordinates" in " ".join(done.err.split())


@pytest.mark.parametrize("first", ["t.cif.gz", "t/native.cif.gz"])
def test_a_file_and_a_folder_of_one_name_do_not_overwrite_each_other_in_a_later_command(
    capsys, tmp_path, structures, model_dir, first
):
    """ "t" and "t/native" have one place in HDF5, whichever comes first."""
    out, content = tmp_path / "f.h5", (structures / "s0.cif.gz").read_bytes()
    folders = [tmp_path / "one", tmp_path / "two"]
    names = sorted(["t.cif.gz", "t/native.cif.gz"], key=lambda name: name != first)
    for folder, name in zip(folders, names, strict=True):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_bytes(content)
    assert call(capsys, "embed", folders[0], "--model", model_dir, "--out", out).code == 0
    for _ in range(2):
        done = call(capsys, "embed", folders[1], "--model", model_dir, "--out", out)
        assert done.code == 1 and "is taken in" in done.err and "damaged" not in done.err
    again = call(capsys, "embed", folders[0], "--model", model_dir, "--out", out)
    assert again.code == 0 and "0 written, 1 already there" in again.out


def test_a_sequence_without_structure_is_told(capsys, tmp_path, fasta, model_dir):
    done = call(capsys, "embed", fasta, "--model", model_dir, "--out", tmp_path / "f.h5")
    assert done.code == 1
    assert "no coordinates" in done.err


@pytest.mark.parametrize(
    ("options", "code", "expected"),
    [
        (("--layer", "9"), 2, "0 (the embedding) to 6"),
        (("--layer", "x"), 2, "neither 'fused', nor"),
        (("--device", "tpu"), 2, "not available"),
    ],
)
def test_wrong_options_are_errors(capsys, tmp_path, fasta, options, code, expected):
    done = call(capsys, "embed", fasta, *PLAIN, *options, "--out", tmp_path / "f.h5")
    assert (done.code, expected in done.err) == (code, True)


def test_a_file_of_other_settings_is_not_added_to(capsys, tmp_path, fasta):
    out = tmp_path / "f.h5"
    call(capsys, "embed", fasta, *PLAIN, "--out", out)
    done = call(capsys, "embed", fasta, *PLAIN, "--pool", "--out", out)
    assert done.code == 2
    assert "other settings" in done.err


def test_something_else_than_hdf5_is_not_overwritten(capsys, tmp_path, fasta):
    out = tmp_path / "notes.h5"
    out.write_text("my notes")
    done = call(capsys, "embed", fasta, *PLAIN, "--out", out)
    assert done.code == 2
    assert out.read_text() == "my notes"


def test_no_input_is_an_error(capsys, tmp_path):
    done = call(capsys, "embed", tmp_path / "*.pdb", *PLAIN, "--out", tmp_path / "f.h5")
    assert done.code == 4
    assert "pattern that matches" in done.err


def test_batches_stay_within_the_budget_and_keep_everything():
    from zoo.proteins.protein import from_sequence

    window = [from_sequence(f"p{i}", "A" * n) for i, n in enumerate((500, 90, 80, 70, 5))]
    runs = list(inputs.batches(window, 200))
    assert [protein.name for run in runs for protein in run] == ["p0", "p1", "p2", "p3", "p4"]
    assert [len(run) for run in runs] == [1, 2, 2]


AWKWARD = [
    "a/b",
    "a//b",
    "/lead",
    "lead",
    ".",
    "..",
    "./b",
    "b",
    "a",
    "a%2Fb",
    "Q5VST9/1-60",
    "Q5VST9",
]


def test_ids_of_sequences_are_names_and_not_paths(capsys, tmp_path):
    """HDF5 takes a name with slashes for a path, and one of dots for a folder."""
    path, out = tmp_path / "ids.fasta", tmp_path / "out.h5"
    path.write_text("".join(f">{name}\nMKTAYIA{'K' * at}\n" for at, name in enumerate(AWKWARD)))
    for _ in range(2):
        done = call(capsys, "embed", path, "--model", "plm_mini", "--out", out, "--pool")
        assert done.code == 0, done.err
    assert f"0 written, {len(AWKWARD)} already there" in done.out
    with h5py.File(out) as file:
        hashes = {group.attrs["sequence_hash"] for group in file.values()}
        assert len(file) == len(hashes) == len(AWKWARD)
        assert "a%2F%2Fb" in file and "Q5VST9%2F1-60" in file


def test_a_bad_record_does_not_take_the_others_with_it(capsys, tmp_path):
    path, out = tmp_path / "some.fasta", tmp_path / "out.h5"
    path.write_text(">a\nMKTA\n>b\nMK*TA\n>c\nMKTAY\n>d\n\n>e\nMKTAYI\n")
    done = call(capsys, "embed", path, "--model", "plm_mini", "--out", out, "--json")
    found = json.loads(done.out)
    assert done.code == 1 and (found["written"], len(found["failed"])) == (3, 2)
    assert all(f"{path} record {at}" in found["failed"] for at in (2, 4))
    with h5py.File(out) as file:
        assert set(file) == {"a", "c", "e"}


SEQUENCES = {"p1": "MKTAYIAKQRQISFVKSHF", "p2": "ACDEFGHIKLMNPQRSTVWY", "p3": "MSTNPKPQRKT"}


def test_biotrainer_s_layout_is_what_biotrainer_reads(capsys, tmp_path, fasta):
    """By the hash of the sequence, as biotrainer 2 looks it up; by id, as it did before."""
    ours, theirs = tmp_path / "ours.h5", tmp_path / "theirs.h5"
    call(capsys, "embed", fasta, *PLAIN, "--layer", 6, "--out", ours)
    words = ("embed", fasta, *PLAIN, "--layer", 6, "--layout", "biotrainer", "--out", theirs)
    assert call(capsys, *words).code == 0
    with h5py.File(ours) as a, h5py.File(theirs) as b:
        id2emb = {key: embedding[:] for key, embedding in b.items()}
        by_id = {b[key].attrs["original_id"]: np.array(embedding) for key, embedding in b.items()}
        assert len(id2emb) == 3
        for name, text in SEQUENCES.items():
            key = hashlib.sha256(f"{text}_{len(text)}".encode()).hexdigest()
            np.testing.assert_array_equal(id2emb[key], a[name]["6"][:])
            np.testing.assert_array_equal(by_id[name], a[name]["6"][:])
    assert "0 written, 3 already there" in call(capsys, *words).out
    states = open_states(f"states:{theirs}")
    assert {key_of(text) for text in SEQUENCES.values()} == {*states.places}
    other = call(capsys, "embed", fasta, *PLAIN, "--layer", 6, "--out", theirs)
    assert other.code == 2 and "with other settings" in other.err


def test_pooled_rows_in_biotrainer_s_layout_are_vectors(capsys, tmp_path, fasta):
    out = tmp_path / "f.h5"
    call(capsys, "embed", fasta, *PLAIN, "--pool", "--half", "--layout", "biotrainer", "--out", out)
    with h5py.File(out) as file:
        assert {data.shape for data in file.values()} == {(320,)}
        assert {data.dtype for data in file.values()} == {np.dtype(np.float16)}


def test_what_does_not_fit_biotrainer_s_layout_is_told(capsys, tmp_path, structures):
    out, pair, whole = tmp_path / "f.h5", tmp_path / "pair.cif", shelf.two_chains()
    write_scored(pair, whole, np.zeros(len(whole)))
    assert "residues without coordinates" in LAYOUTS["biotrainer"].unfit(shelf.unresolved())
    done = call(capsys, "embed", pair, *PLAIN, "--layout", "biotrainer", "--out", out)
    assert done.code == 1 and "has 2 chains, and biotrainer's layout has one sequence" in done.err
    for options, words in (
        (["--layout", "bio"], "Unknown layout 'bio'"),
        (["--layout", "biotrainer", "--layer", "0", "--layer", "6"], "holds one layer"),
        (["--layout", "biotrainer", "--format", "parquet"], "is for HDF5"),
    ):
        done = call(capsys, "embed", pair, *PLAIN, "--out", tmp_path / "g", *options)
        assert done.code == 2 and words in done.err and not (tmp_path / "g").exists()
