"""Hidden states from a file: found by sequence, and equal to those of the live language model."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import zoo
from tests.shelf import ordinary
from tests.verbs import call
from zoo.ablation.rows import ROWS as ROWS_OF_TABLE
from zoo.ablation.rows import cells
from zoo.backbones.file_states import FileStates
from zoo.backbones.states_file import open_states
from zoo.backbones.states_places import key_of
from zoo.errors import CheckpointError, ConfigError, DataError
from zoo.examples.made_up import write_made_up
from zoo.models.blueprint import resolve
from zoo.models.card import model_card
from zoo.models.checkpoint import load_model
from zoo.models.create import build_model
from zoo.proteins.protein import Chain
from zoo.settings.config import Config

CHAINS = {"one": "MKTAYIAKQR", "two/x": "ACDEFGHIKLMNPQRSTVWY"}
ROWS = {
    name: np.random.default_rng(len(name)).normal(size=(len(sequence), 5)).astype(np.float32)
    for name, sequence in CHAINS.items()
}
FASTA = "".join(f">{name} some words\n{sequence}\n" for name, sequence in CHAINS.items())


def with_sequence(chain: Chain) -> Chain:
    return dataclasses.replace(chain, sequence=CHAINS["one"])


def hashed(folder: Path) -> Path:
    """As biotrainer writes it."""
    with h5py.File(folder / "f.h5", "w") as file:
        for name, rows in ROWS.items():
            file[key_of(CHAINS[name])] = rows
            file[key_of(CHAINS[name])].attrs["original_id"] = name
    return folder / "f.h5"


def grouped(folder: Path) -> Path:
    """As profiles are written: arrays of several kinds for each chain, here of 2 and 3 columns."""
    with h5py.File(folder / "f.h5", "w") as file:
        file.attrs["pssm"] = "by hand"
        for name, rows in ROWS.items():
            group = file.create_group(name.replace("/", "_"))
            group.attrs["sequence"] = CHAINS[name]
            group["pssm"], group["hmm"] = rows[:, :2], rows[:, 2:]
    return folder / "f.h5::pssm,hmm"


def grouped_with_words(folder: Path) -> Path:
    """One array for each chain, beside what is no array; text as bytes, and in lower case."""
    with h5py.File(folder / "f.h5", "w") as file:
        for number, (name, rows) in enumerate(ROWS.items()):
            group = file.create_group(str(number))
            group.attrs["sequence"] = np.bytes_(CHAINS[name].lower())
            group["pssm"], group["name"], group["scores"] = rows, name, rows[:, 0]
    return folder / "f.h5"


def numbered(folder: Path) -> Path:
    """As bio_embeddings writes it."""
    with h5py.File(folder / "f.h5", "w") as file:
        for number, (name, rows) in enumerate(ROWS.items()):
            file[str(number)] = rows.astype(np.float16)
            file[str(number)].attrs["original_id"] = name if number else name.encode()
    (folder / "f.fasta").write_text(FASTA)
    return folder / "f.h5"


def files(folder: Path, write: Callable[[Path, Any], None], suffix: str) -> Path:
    """A file for each chain; slashes are no part of a file's name."""
    (folder / "sequences.fasta").write_text(FASTA.replace("/", "_"))
    for name, rows in ROWS.items():
        write(folder / f"{name.replace('/', '_')}{suffix}", rows)
    return folder


def parquet(folder: Path, columns: dict[str, Any], about: dict[str, str] | None = None) -> Path:
    pa = pytest.importorskip("pyarrow", reason="Parquet needs the extra `parquet`")
    import pyarrow.parquet as pq

    table = pa.table(columns).replace_schema_metadata(about)
    pq.write_table(table, folder / "f.parquet", row_group_size=1)
    return folder / "f.parquet"


def by_chain(nested: bool) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        rows = [rows.tolist() if nested else rows.ravel().tolist() for rows in ROWS.values()]
        about = {"plm": "by hand", "pandas": "{}"}
        return parquet(folder, {"sequence": [*CHAINS.values()], "states": rows}, about)

    return write


def by_array(folder: Path) -> Path:
    """As NumPy's arrays are written; float32 is read without a copy."""
    pa = pytest.importorskip("pyarrow", reason="Parquet needs the extra `parquet`")
    rows = pa.array([x.ravel() for x in ROWS.values()], pa.large_list(pa.float32()))
    return parquet(folder, {"sequence": [x.lower() for x in CHAINS.values()], "states": rows})


def by_id(folder: Path) -> Path:
    (folder / "f.fasta").write_text(FASTA)
    return parquet(folder, {"id": [*CHAINS], "states": [rows.tolist() for rows in ROWS.values()]})


def by_residue(letters: bool) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / "f.fasta").write_text("" if letters else FASTA)
        return parquet(folder, residue_columns(letters))

    return write


def residue_columns(letters: bool) -> dict[str, Any]:
    columns: dict[str, Any] = {
        "id": [name for name, sequence in CHAINS.items() for _ in sequence],
        "position": [at for sequence in CHAINS.values() for at in range(len(sequence))],
        "states": [row for rows in ROWS.values() for row in rows.tolist()],
    }
    return columns | ({"residue": list("".join(CHAINS.values()))} if letters else {})


KINDS: dict[str, Callable[[Path], Path]] = {
    "biotrainer": hashed,
    "groups": grouped,
    "groups with words": grouped_with_words,
    "parquet": by_chain(nested=True),
    "flat parquet": by_chain(nested=False),
    "float32 parquet": by_array,
    "parquet by id": by_id,
    "parquet by residue": by_residue(letters=True),
    "parquet by residue and FASTA": by_residue(letters=False),
    "bio_embeddings": numbered,
    "npy": lambda folder: files(folder, np.save, ".npy"),
    "npz": lambda folder: files(folder, lambda path, rows: np.savez(path, states=rows), ".npz"),
    "pt": lambda folder: files(
        folder, lambda path, rows: torch.save(torch.tensor(rows), path), ".pt"
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_found_by_sequence_alone_and_in_a_batch(kind: str, tmp_path: Path) -> None:
    seq = FileStates(open_states(f"states:{KINDS[kind](tmp_path)}"))
    tokens = seq.tokenize(list(CHAINS.values())[::-1])
    h = seq(tokens.ids, tokens.attend)
    tolerance = 1e-2 if kind == "bio_embeddings" else 0.0
    assert seq.width == 5
    for row, (name, sequence) in zip(h, reversed(CHAINS.items()), strict=True):
        np.testing.assert_allclose(row[: len(sequence)], ROWS[name], atol=tolerance)
        assert not row[len(sequence) :].any()
        alone = seq.tokenize([sequence])
        assert torch.equal(seq(alone.ids, alone.attend)[0], row[: len(sequence)])


def test_a_chain_that_is_not_there_is_told(tmp_path: Path) -> None:
    seq = FileStates(open_states(f"states:{hashed(tmp_path)}"))
    with pytest.raises(DataError, match="no states of a chain of 3 residues"):
        seq.tokenize(["MKT"])
    with seq.blank():
        tokens = seq.tokenize(["MKT"])
        assert not seq(tokens.ids, tokens.attend).any()


def test_equal_arrays_of_one_sequence_and_words_of_another_program_are_taken(
    tmp_path: Path,
) -> None:
    two_of_one_sequence(tmp_path)
    with h5py.File(tmp_path / "f.h5", "a") as file:
        file["1"][()] = ROWS["one"] * 1.001
        file.attrs["description"] = "made by hand"
    found = open_states(f"states:{tmp_path / 'f.h5'}")
    assert len(found.places) == 1 and found.provenance == {"description": "made by hand"}


def no_fasta(folder: Path) -> None:
    (numbered(folder)).with_suffix(".fasta").unlink()


def empty_fasta(folder: Path) -> None:
    special_tokens(folder)
    (folder / "f.fasta").write_text("")


def special_tokens(folder: Path) -> None:
    numbered(folder)
    with h5py.File(folder / "f.h5", "a") as file:
        del file["0"]
        file["0"] = np.zeros((len(CHAINS["one"]) + 2, 5))
        file["0"].attrs["original_id"] = "one"


def hashed_special_tokens(folder: Path) -> None:
    with h5py.File(folder / "f.h5", "w") as file:
        file[key_of(CHAINS["one"])] = np.zeros((len(CHAINS["one"]) + 1, 5))


def pooled(folder: Path) -> None:
    with h5py.File(folder / "f.h5", "w") as file:
        file[key_of("MKT")] = np.zeros(5)


def two_widths(folder: Path) -> None:
    with h5py.File(folder / "f.h5", "w") as file:
        file[key_of("MKT")], file[key_of("MK")] = np.zeros((3, 5)), np.zeros((2, 6))


def not_finite(folder: Path) -> None:
    with h5py.File(folder / "f.h5", "w") as file:
        file[key_of(CHAINS["one"])] = np.full((len(CHAINS["one"]), 5), np.nan)


def two_of_one_sequence(folder: Path) -> None:
    numbered(folder)
    (folder / "f.fasta").write_text(f">one\n{CHAINS['one']}\n>two/x\n{CHAINS['one']}\n")
    with h5py.File(folder / "f.h5", "a") as file:
        del file["1"]
        file["1"] = -ROWS["one"]
        file["1"].attrs["original_id"] = "two/x"


def empty(folder: Path) -> None:
    with h5py.File(folder / "f.h5", "w"):
        pass


def group_without_sequence(folder: Path) -> None:
    grouped(folder)
    with h5py.File(folder / "f.h5", "a") as file:
        del file["one"].attrs["sequence"]


def array_beside_groups(folder: Path) -> None:
    grouped(folder)
    with h5py.File(folder / "f.h5", "a") as file:
        file["three"] = np.zeros((2, 5))
        file["three"].attrs["sequence"] = "MK"


def no_arrays(folder: Path) -> None:
    with h5py.File(folder / "f.h5", "w") as file:
        group = file.create_group("one")
        group.attrs["sequence"], group["name"], group["scores"] = "MK", "one", np.zeros(2)


def no_hdf5(folder: Path) -> None:
    (folder / "f.h5").write_text("text")


WRONG = [
    (no_fasta, r"f\.fasta does not exist"),
    (empty_fasta, r"f\.fasta is empty"),
    (special_tokens, "12 rows for 10 residues"),
    (hashed_special_tokens, "11 rows for a chain of 10 residues"),
    (pooled, "one row a residue"),
    (two_widths, "arrays of 5, 6 columns"),
    (not_finite, "not finite"),
    (two_of_one_sequence, "different arrays for one sequence"),
    (empty, "no states"),
    (group_without_sequence, "'one' is no group with an attribute 'sequence'"),
    (array_beside_groups, "'three' is no group"),
    (no_arrays, "no arrays"),
    (no_hdf5, "cannot be read as an HDF5 file"),
]


WRONG_TABLES: list[tuple[str, Callable[[], dict[str, Any]]]] = [
    ("12 rows for 10 residues",
     lambda: {"sequence": [CHAINS["one"]], "states": [np.zeros((12, 5)).tolist()]}),
    ("61 numbers for 10 residues", lambda: {"sequence": [CHAINS["one"]], "states": [[0.0] * 61]}),
    ("arrays of 5, 6 columns",
     lambda: {"sequence": ["MKT", "MK"], "states": [[0.0] * 15, [0.0] * 12]}),
    ("not all residues have the same number",
     lambda: {"sequence": ["MK"], "states": [[[0.0], [0.0, 1.0]]]}),
    ("no column of lists of numbers", lambda: {"sequence": ["MK"], "states": [["a", "b"]]}),
    ("1 lines have no states", lambda: {"sequence": ["MK", "MKT"], "states": [None, [0.0] * 3]}),
    ("'2' has no sequence", lambda: {"sequence": ["MK", None], "states": [[0.0] * 2] * 2}),
    ("'2' has no sequence", lambda: {"sequence": ["MK", ""], "states": [[[0.0], [0.0]], []]}),
    ("Add `sequence`, or `id`", lambda: {"name": ["MK"], "states": [[0.0] * 2]}),
    (r"f\.fasta does not exist", lambda: {"id": ["MK"], "states": [[0.0] * 2]}),
    ("not finite", lambda: {"sequence": [CHAINS["one"]], "states": [[None, *[0.0] * 49]]}),
    ("the lines of 'one' are not its residues one after the other",
     lambda: {key: value[::-1] for key, value in residue_columns(letters=True).items()}
     | {"id": ["one"] * 30}),
    ("lists of lists, and a line is one residue",
     lambda: {"id": ["a"], "position": [0], "residue": ["M"], "states": [[[0.0]]]}),
    ("says whose residue", lambda: {"position": [0], "residue": ["M"], "states": [[0.0]]}),
    ("different arrays for one sequence",
     lambda: {"sequence": ["MK", "MK"], "states": [[1.0] * 2, [2.0] * 2]}),
]  # fmt: skip


@pytest.mark.parametrize("message, columns", WRONG_TABLES, ids=[x for x, _ in WRONG_TABLES])
def test_what_is_wrong_with_a_table_is_told(
    message: str, columns: Callable[[], dict[str, Any]], tmp_path: Path
) -> None:
    path = parquet(tmp_path, columns())
    with pytest.raises(DataError, match=message):
        seq = FileStates(open_states(f"states:{path}"))
        tokens = seq.tokenize([CHAINS["one"]])
        seq(tokens.ids, tokens.attend)


@pytest.mark.parametrize("nested", [True, False])
def test_a_table_without_lines_is_told(nested: bool, tmp_path: Path) -> None:
    path = by_chain(nested)(tmp_path)
    import pyarrow.parquet as pq

    pq.write_table(pq.read_table(path).slice(0, 0), path)
    with pytest.raises(DataError, match="holds no states"):
        open_states(f"states:{path}")


def test_a_damaged_table_is_told(tmp_path: Path) -> None:
    path = by_id(tmp_path)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match="cannot be read as a Parquet file"):
        open_states(f"states:{path}")


def test_a_table_says_who_made_it_and_is_read_anew_when_it_changes(tmp_path: Path) -> None:
    name = f"states:{by_chain(nested=True)(tmp_path)}"
    assert open_states(name).provenance == {"plm": "by hand", "column": "states"}
    columns = {"sequence": ["MKT"], "a": [[0.0] * 6], "b": [[1.0] * 9]}
    parquet(tmp_path, columns)
    with pytest.raises(ConfigError, match=r"2 columns of lists\. Name one: states:.*::a, states:"):
        open_states(name)
    assert [open_states(f"{name}::{column}").width for column in ("a", "b")] == [2, 3]


def test_a_table_without_pyarrow_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "f.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigError, match="needs pyarrow: `pip install pyarrow`"):
        open_states(f"states:{tmp_path / 'f.parquet'}")


def test_a_model_card_names_what_made_a_table(tmp_path: Path) -> None:
    name = f"states:{by_chain(nested=False)(tmp_path)}"
    assert "states of by hand, from" in model_card(zoo.create_model(name, "gat"))


@pytest.mark.parametrize("write, message", WRONG, ids=[write.__name__ for write, _ in WRONG])
def test_what_is_wrong_with_a_file_is_told(
    write: Callable[[Path], None], message: str, tmp_path: Path
) -> None:
    write(tmp_path)
    with pytest.raises(DataError, match=message):
        seq = FileStates(open_states(f"states:{tmp_path / 'f.h5'}"))
        tokens = seq.tokenize([CHAINS["one"]])
        seq(tokens.ids, tokens.attend)


@pytest.mark.parametrize("named, message", [
    ("", r"several data sets.*hmm \(1 chain\), pssm \(2 chains\).*f.h5::pssm"),
    ("::pssm,dssp", "no data set 'dssp'"),
    ("::pssm,", "no data set ''"),
])  # fmt: skip
def test_which_data_sets_of_a_group_is_never_guessed(
    named: str, message: str, tmp_path: Path
) -> None:
    path = str(grouped(tmp_path)).partition("::")[0]
    with h5py.File(path, "a") as file:
        del file["one"]["hmm"]
    with pytest.raises(ConfigError, match=message):
        open_states(f"states:{path}{named}")
    both = open_states(f"states:{path}::hmm,pssm")
    assert (both.width, list(both.places)) == (5, [key_of(CHAINS["two/x"])])
    assert both.identity != open_states(f"states:{path}::hmm").identity


def test_a_folder_may_have_colons_in_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "run::2"
    folder.mkdir()
    assert open_states(f"states:{hashed(folder)}").width == 5
    assert open_states(f"states:{grouped(folder)}").width == 5
    assert open_states(f"states:{files(folder, np.save, '.npy')}").width == 5


@pytest.mark.parametrize("kind", ["biotrainer", "bio_embeddings", "npy"])
def test_a_layer_of_a_file_without_layers_is_an_error(kind: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="none by the name '6'.*leave out ::6"):
        open_states(f"states:{KINDS[kind](tmp_path)}::6")


def test_what_cannot_be_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        zoo.create_model(f"states:{tmp_path / 'none.h5'}", "gat")
    name = f"states:{hashed(tmp_path)}"
    assert zoo.create_model(name, "gat").side is not None
    with pytest.raises(ConfigError, match="nothing to train"):
        zoo.create_model(name, "gat", values={"sequence.tuning": "lora"})


@pytest.mark.parametrize("row", ROWS_OF_TABLE)
def test_every_row_of_a_table_takes_a_file(row: str, tmp_path: Path) -> None:
    name = f"states:{hashed(tmp_path)}"
    base = Config().with_options({"sequence.name": name, "task": "ppbs", "graph.k": 5})
    (cell,) = cells([row], ["gat"])
    model = build_model(resolve(cell.config(base)))
    protein = dataclasses.replace(ordinary(10), chains=(with_sequence(ordinary(10).chains[0]),))
    model(model.batch([protein])).sum().backward()
    lost = [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert not lost


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made-up proteins, with the states of plm_mini in two files, one for half of the chains."""
    root = tmp_path_factory.mktemp("states")
    write_made_up(root / "mine", 8)
    return root


def embed(capsys: pytest.CaptureFixture[str], root: Path, out: str, layer: str) -> Path:
    if not (root / out).exists():
        done = call(capsys, "embed", root / "mine", "--model", "plm_mini", "--layer", layer,
                    "--out", root / out)  # fmt: skip
        assert done.code == 0, done.err
    return root / out


def train(
    capsys: pytest.CaptureFixture[str], root: Path, out: str, seq: object, after: str
) -> dict[str, torch.Tensor]:
    done = call(
        capsys, "train", "table_plm_mini_gearnet_local", "--data", root / "mine", "--out",
        root / out, "--store", root / "store", "--seq", seq, "--set", f"fusion.after={after}",
        "--set", "train.epochs=2", "--set", "train.store=float32", "--set", "train.patience=null",
    )  # fmt: skip
    assert done.code == 0, done.err
    return load_file(root / out / "model.safetensors")


def test_a_run_on_exported_states_is_the_live_run_bit_for_bit(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    states = embed(capsys, data, "plm.h5", "raw")
    layers = zoo.create_model("plm_mini", "none").seq.num_layers
    live = train(capsys, data, "live", "plm_mini", f"[[{layers}, 2]]")
    mine = train(capsys, data, "mine_run", f"states:{states}", "[[1, 2]]")
    assert live.keys() == mine.keys()
    assert all(torch.equal(live[name], mine[name]) for name in live)

    one = next((data / "mine" / "structures").iterdir())
    tables = []
    for run in ("live", "mine_run"):
        done = call(capsys, "predict", one, "--model", data / run, "--out", data / f"{run}_out")
        assert done.code == 0, done.err
        tables.append((data / f"{run}_out" / "predictions.csv").read_text())
    assert tables[0] == tables[1]
    done = call(capsys, "explain", one, "--model", data / "mine_run", "--steps", 2, "--out",
                data / "explained")  # fmt: skip
    assert done.code == 0, done.err
    assert "states of plm_mini" in (data / "mine_run" / "README.md").read_text()


def test_predicting_takes_states_of_the_same_kind_only(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    states = embed(capsys, data, "plm.h5", "raw")
    model = zoo.create_model(f"states:{states}", "gat", task="ppbs")
    zoo.save_model(model, data / "saved")
    other = embed(capsys, data, "first.h5", "1")
    with pytest.raises(CheckpointError, match="states of another kind"):
        load_model(data / "saved", states=other)
    moved = states.rename(data / "moved.h5")
    with pytest.raises(ConfigError, match="Give --states FILE"):
        load_model(data / "saved")
    assert load_model(data / "saved", states=moved).seq.width == model.seq.width
    moved.rename(states)
    with pytest.raises(ConfigError, match="reads no file"):
        load_model("ppbs", states=states)
