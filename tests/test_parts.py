"""`--format parquet`: parts that any number of processes write, and that are whole or not there."""

from __future__ import annotations

import io
import json
import multiprocessing as mp
import os
import pickle
import random
import resource
import signal
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import zoo
from tests import shelf
from tests.verbs import Result, call
from zoo.command import parts
from zoo.errors import ConfigError, StructureError, ZooError
from zoo.examples.made_up import write_made_up
from zoo.prediction import columns
from zoo.prediction.embedding_file import Settings
from zoo.prediction.parts.folder import PartsFolder
from zoo.prediction.parts.jobs import EmbeddingJob
from zoo.prediction.parts.loop import Loop, plan_of
from zoo.prediction.parts.workers import Run, Workers
from zoo.prediction.paths import find_inputs
from zoo.proteins.files.scores import write_scored
from zoo.proteins.protein import from_sequence
from zoo.system.listener import Listener

pa = pytest.importorskip("pyarrow", reason="Parquet parts need pyarrow, of the extra `parquet`")
pq = pytest.importorskip("pyarrow.parquet")

LETTERS = "ACDEFGHIKLMNPQRSTVWY"
WIDTH = 160
"""Width of the language model."""
PLAIN = ("--model", "plm_mini", "--format", "parquet")
Capture = pytest.CaptureFixture[str]


def sequences(count: int) -> dict[str, str]:
    draw = random.Random(0)
    return {f"s{at}": "".join(draw.choices(LETTERS, k=draw.randint(5, 60))) for at in range(count)}


@pytest.fixture
def fasta(tmp_path: Path) -> Path:
    """Return a file of 50 proteins, and a bad one in the middle."""
    path = tmp_path / "some.fasta"
    records = [f">{name}\n{text}\n" for name, text in sequences(50).items()]
    path.write_text("".join([*records[:20], ">bad\nM1K\n", *records[20:]]))
    return path


def embed(capsys: Capture, given: Path, out: Path, *options: object) -> Result:
    return call(capsys, "embed", given, *PLAIN, "--part-size", 10, "--out", out, *options)


def content(out: Path) -> dict[str, bytes]:
    """Return the parts and tables of a folder, in which nothing else may be but locks."""
    hidden = [name for name in os.listdir(out) if name.startswith(".")]
    assert hidden in ([], [".locks"]) and not list(out.glob(".locks/*"))
    return {path.name: path.read_bytes() for path in sorted(out.iterdir()) if path.is_file()}


def rows_of(out: Path) -> pd.DataFrame:
    return pd.read_parquet(sorted(out.glob("*.parquet")))  # type: ignore[arg-type]


def facts(part: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(pq.read_schema(part).metadata[b"zoo"])
    own = pq.read_metadata(part).metadata[b"zoo_part"]
    return found | json.loads(own)


def test_parts_have_the_numbers_of_the_library_and_tell_what_they_are(
    capsys: Capture, tmp_path: Path, fasta: Path
) -> None:
    done = embed(capsys, fasta, tmp_path / "out", "--json")
    assert done.code == 1  # one record is bad
    found = json.loads(done.out)
    assert (found["parts"], found["made"], found["missing"], found["failed"]) == (6, 6, 0, 1)
    assert (found["sum"]["in"], found["sum"]["done"], found["sum"]["left_out"]) == (51, 50, 1)
    with pytest.warns(zoo.errors.FailedInputsWarning):
        expected = zoo.embed(fasta, "plm_mini")
    table = rows_of(tmp_path / "out")
    assert list(table) == ["record", "id", "residue", "fused"]
    assert list(dict.fromkeys(table["id"])) == [*sequences(50)]  # in their order
    numbers = dict(zip(table["id"], table["record"], strict=True))
    assert numbers["s19"] == 19 and numbers["s20"] == 21
    for name, rows in table.groupby("id"):
        assert list(rows["residue"]) == expected.rows[str(name)]
        np.testing.assert_allclose(
            np.stack(rows["fused"].tolist()), expected[str(name)].numpy(), atol=1e-5
        )
    about = facts(tmp_path / "out" / "part-00002.parquet")
    assert about["about"]["layers"] == ["fused"] and about["units"]["fused"]
    assert about["about"]["plm_fingerprint"] and about["about"]["weights"]
    assert (about["first_record"], about["records"]) == (20, 10)
    assert [label for label, _ in about["failed"]] == [f"{fasta} record 21"]
    schema = pq.read_schema(tmp_path / "out" / "part-00000.parquet")
    assert schema.field("fused").type == pa.list_(pa.float32(), WIDTH)
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["complete"] and manifest["rows"] == len(table)
    (failure,) = manifest["failures"]
    assert failure["input"] == f"{fasta} record 21" and "not residues" in failure["reason"]
    assert (tmp_path / "out" / "failed.csv").read_text().startswith("input,reason\n")
    again = embed(capsys, fasta, tmp_path / "out")
    assert "0 parts made, 6 of 6 there" in again.out and again.code == 1


def test_pooled_halves_of_several_layers(capsys: Capture, tmp_path: Path, fasta: Path) -> None:
    options = ("--pool", "--half", "--layer", 0, "--layer", "fused")
    embed(capsys, fasta, tmp_path / "out", *options)
    embed(capsys, fasta, tmp_path / "whole", "--layer", 0)
    table = pq.read_table(tmp_path / "out" / "part-00000.parquet")
    assert table.column_names == ["record", "id", "residues", "0", "fused"]
    assert table.schema.field("fused").type == pa.list_(pa.float16(), WIDTH)
    whole = rows_of(tmp_path / "whole")
    for name, count, values in zip(
        table["id"].to_pylist(), table["residues"].to_pylist(), table["0"].to_pylist(), strict=True
    ):
        rows = np.stack(whole[whole["id"] == name]["0"].tolist())
        assert len(rows) == count == len(sequences(50)[name])
        np.testing.assert_allclose(np.array(values, float), rows.mean(0), atol=2e-3)


def test_predictions_are_the_rows_of_the_table(capsys: Capture, tmp_path: Path) -> None:
    made = write_made_up(tmp_path / "m", proteins=5) / "structures"
    (made / "broken.pdb").write_text("nothing")
    out, table = tmp_path / "out", tmp_path / "csv"
    done = call(capsys, "predict", made, "--model", "ppbs", "--format", "parquet", "--part-size",
                4, "--out", out)  # fmt: skip
    assert done.code == 1 and "2 parts made" in done.out, done.err
    call(capsys, "predict", made, "--model", "ppbs", "--out", table, "--tokens", 4096)
    found, expected = rows_of(out), pd.read_csv(table / "predictions.csv")
    assert list(found.columns[1:]) == list(expected.columns)
    expected["number"] = expected["number"].astype(str)
    pd.testing.assert_frame_equal(
        found.drop(columns="record"), expected, check_dtype=False, rtol=1e-4, atol=1e-5
    )
    assert facts(out / "part-00000.parquet")["units"] == {"binding_site": "probability"}
    refused = call(capsys, "predict", made, "--model", "ppbs", "--out", out)
    assert refused.code == 2 and "holds Parquet parts" in refused.err


def test_a_share_makes_the_same_parts_as_the_whole_run(
    capsys: Capture, tmp_path: Path, fasta: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embed(capsys, fasta, tmp_path / "whole")
    out = tmp_path / "out"
    done = embed(capsys, fasta, out, "--shard", "3/3", "--json")
    assert done.code == 1  # its part has the bad record
    assert json.loads(done.out) | {"out": ""} == {
        "out": "", "parts": 6, "made": 2, "missing": 4, "complete": False, "failed": 1, "sum": None,
    }  # fmt: skip
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "0")
    monkeypatch.setenv("SLURM_ARRAY_TASK_COUNT", "3")
    done = embed(capsys, fasta, out)
    assert done.code == 0 and "2 parts missing" in done.out
    assert "share 1/3 of the parts, by SLURM_ARRAY_TASK_ID" in done.err
    assert not json.loads((out / "manifest.json").read_text())["complete"]
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "1")
    assert "51 proteins in = 50 done" in embed(capsys, fasta, out).out
    assert content(out) == content(tmp_path / "whole")


def test_a_name_may_come_twice(capsys: Capture, tmp_path: Path) -> None:
    path = tmp_path / "a.fasta"
    path.write_text(">a\nMKT\n>a\nGGSG\n")
    assert embed(capsys, path, tmp_path / "out", "--pool").code == 0
    table = rows_of(tmp_path / "out")
    assert list(table["id"]) == ["a", "a"] and list(table["record"]) == [0, 1]
    assert list(table["residues"]) == [3, 4]


def test_complexes_are_taken_as_the_model_wants_and_it_is_said(
    capsys: Capture, tmp_path: Path
) -> None:
    pair, whole = tmp_path / "pair.cif", shelf.two_chains()
    write_scored(pair, whole, np.zeros(len(whole)))
    done = call(capsys, "predict", pair, "--model", "ppbs", "--format", "parquet", "--out",
                tmp_path / "out")  # fmt: skip
    assert done.code == 0 and "1 structure has several chains" in " ".join(done.err.split())
    assert list(rows_of(tmp_path / "out")["chain"]) == ["A"] * 9 + ["B"] * 7


def job(fasta: Path, out: Path, **changes: Any) -> Run:
    settings = Settings(("fused",), pool=False, half=False)
    made = EmbeddingJob("plm_mini", settings, device="cpu")
    return Run(made, find_inputs([str(fasta)]), out, 3, 256, **changes)


def test_killed_at_random_moments_it_ends_as_an_undisturbed_run(
    tmp_path: Path, fasta: Path
) -> None:
    run = replace(job(fasta, tmp_path / "whole"), size=1)
    run.here(Listener())
    out, draw, killed = tmp_path / "out", random.Random(1), 0
    work = run.job.begin()

    def make() -> None:
        folder = PartsFolder(out, plan_of(work, run.files, run.size, run.tokens))
        Loop(work, folder, run.tokens).run(run.files, run.shard)

    for _ in range(10):
        process = mp.get_context("fork").Process(target=make)  # the model is loaded
        process.start()
        goal = len(list(out.glob("part-*"))) + draw.randint(0, 3)
        while process.is_alive() and len(list(out.glob("part-*"))) < goal:
            time.sleep(0.002)
        time.sleep(draw.uniform(0, 0.03))
        process.kill()
        process.join()
        killed += process.exitcode == -signal.SIGKILL
    assert killed >= 5
    make()
    assert content(out) == content(tmp_path / "whole")


def test_two_workers_make_the_same_parts_also_if_one_is_killed(
    tmp_path: Path, fasta: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    job(fasta, tmp_path / "whole").here(Listener())
    out, said, ends = tmp_path / "out", list[str](), []

    def asked() -> bool:
        """Kill a worker once it has begun to work."""
        if not ends and list(out.glob("part-*")):
            victim = mp.active_children()[0]
            assert victim.pid is not None
            ends.append(os.kill(victim.pid, signal.SIGKILL))
        return False

    tally = Workers(job(fasta, out), 2, Listener(warn=said.append, asked=asked)).work()
    assert (tally.parts, tally.missing) == (17, 0)
    assert ends and [line for line in said if "was killed by signal 9; another takes" in line]
    assert content(out) == content(tmp_path / "whole")


def test_stopped_it_goes_on(
    capsys: Capture, tmp_path: Path, fasta: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embed(capsys, fasta, tmp_path / "whole")
    out = tmp_path / "out"

    @contextmanager
    def pressed() -> Iterator[Callable[[], bool]]:
        yield lambda: len(list(out.glob("part-*"))) == 2

    monkeypatch.setattr(parts, "asked_to_stop", pressed)
    done = embed(capsys, fasta, out)
    assert done.code == 130 and "the same command makes it again" in done.err
    assert [path.name for path in sorted(out.glob("part-*"))] == [
        "part-00000.parquet", "part-00001.parquet"
    ]  # fmt: skip
    monkeypatch.undo()
    assert "4 parts made, 6 of 6 there" in embed(capsys, fasta, out).out
    assert content(out) == content(tmp_path / "whole")


def test_a_mistake_in_a_worker_is_told_as_one(tmp_path: Path, fasta: Path) -> None:
    settings = Settings(("99",), pool=False, half=False)
    run = Run(EmbeddingJob("plm_mini", settings), find_inputs([str(fasta)]), tmp_path, 3, 256)
    with pytest.raises(ConfigError, match="--layer 99 is not a layer"):
        Workers(run, 2, Listener()).work()
    assert not list(tmp_path.glob("*.json"))


def _cut_tar(folder: Path) -> Path:
    path = folder / "cut.tar"
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo("a.pdb")
        info.size = 5000
        archive.addfile(info, io.BytesIO(bytes(5000)))
    path.write_bytes(path.read_bytes()[:3000])
    return path


def _no_column(folder: Path) -> Path:
    path = folder / "t.parquet"
    pq.write_table(pa.table({"name": ["a"], "sequence": ["MKT"]}), path)
    return path


def _pipe(folder: Path) -> Path:
    path = folder / "pipe"
    os.mkfifo(path)
    return path


@pytest.mark.parametrize(("given", "words"), [
    (_cut_tar, "was cut short"), (_no_column, "without the column `id`"),
])  # fmt: skip
def test_a_bad_file_of_many_proteins_is_told_before_anything_is_written(
    capsys: Capture, tmp_path: Path, given: Callable[[Path], Path], words: str
) -> None:
    done = embed(capsys, given(tmp_path), tmp_path / "out")
    assert done.code == 4 and words in done.err and not (tmp_path / "out").exists()


def test_a_pipe_is_refused(capsys: Capture, tmp_path: Path) -> None:
    done = embed(capsys, _pipe(tmp_path), tmp_path / "out")
    assert done.code == 4 and "not a pipe" in done.err and not (tmp_path / "out").exists()


@pytest.mark.parametrize(("options", "words"), [
    (["--shard", "0/0"], "is no share of the work"), (["--shard", "5/4"], "is no share"),
    (["--format", "hdf5", "--shard", "1/2"], "--shard is for --format parquet"),
    (["--format", "hdf5", "--workers", "2"], "--workers is for --format parquet"),
    (["--format", "csv"], "Unknown format 'csv'"), (["--layer", "99"], "is not a layer"),
])  # fmt: skip
def test_a_bad_option_is_told_and_nothing_is_written(
    capsys: Capture, tmp_path: Path, fasta: Path, options: list[str], words: str
) -> None:
    done = call(capsys, "embed", fasta, *PLAIN, "--out", tmp_path / "out", *options)
    assert done.code == 2 and words in done.err and not (tmp_path / "out").exists()


def test_what_only_one_process_writes_is_refused(capsys: Capture, tmp_path: Path) -> None:
    for option in ("--structures", "--bfactors", "--page"):
        done = call(capsys, "predict", "zoo/examples/1a8o.cif.gz", "--model", "ppbs", "--format",
                    "parquet", option, "--out", tmp_path / "out")  # fmt: skip
        assert done.code == 2 and option in done.err and not (tmp_path / "out").exists()


def test_a_folder_of_another_run_is_refused_and_stays(
    capsys: Capture, tmp_path: Path, fasta: Path
) -> None:
    out = tmp_path / "out"
    embed(capsys, fasta, out)
    before, other = content(out), tmp_path / "other.fasta"
    other.write_text(">a\nMKT\n")
    model = zoo.save_model(zoo.create_model("plm_mini", "gat", fusion="global"), tmp_path / "m")
    for given, options, words in (
        (fasta, ["--model", model], "of another model or with other settings"),
        (fasta, ["--pool"], "with other settings (pool)"), (other, [], "of other inputs"),
        (fasta, ["--part-size", "11"], "in parts of 10 records"),
        (fasta, ["--tokens", "64"], "with other settings (tokens)"),
    ):  # fmt: skip
        done = embed(capsys, given, out, *options)
        assert done.code == 2 and words in done.err, done.err
    assert content(out) == before
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    done = embed(capsys, fasta, tmp_path / "mine")
    assert done.code == 2 and "is not empty (notes.txt)" in done.err
    assert os.listdir(tmp_path / "mine") == ["notes.txt"]


def test_two_models_that_differ_in_weights_alone_are_told_apart(
    capsys: Capture, tmp_path: Path
) -> None:
    given = Path("zoo/examples/1a8o.cif.gz")
    models = [
        zoo.save_model(
            zoo.create_model("plm_mini", "gat", fusion="global", seed=seed), tmp_path / f"m{seed}"
        )
        for seed in (1, 2)
    ]
    assert embed(capsys, given, tmp_path / "out", "--model", models[0]).code == 0
    done = embed(capsys, given, tmp_path / "out", "--model", models[1])
    assert done.code == 2 and "weights" in done.err


def test_inputs_that_changed_are_refused(capsys: Capture, tmp_path: Path, fasta: Path) -> None:
    out = tmp_path / "out"
    embed(capsys, fasta, out, "--shard", "1/2")
    before = content(out)
    fasta.write_text(fasta.read_text().replace(">s0\n", ">s0\nMM\n"))
    done = embed(capsys, fasta, out, "--shard", "1/2")
    assert done.code == 2 and "part-00000.parquet was made of other records" in done.err
    assert content(out) == before
    done = embed(capsys, fasta, out, "--shard", "2/2")  # which has the last look
    assert done.code == 2 and "part-00000.parquet was made of other records" in done.err
    assert not json.loads((out / "manifest.json").read_text())["complete"]


def test_a_structure_of_a_table_that_changed_is_noticed(capsys: Capture, tmp_path: Path) -> None:
    made = write_made_up(tmp_path / "m", proteins=1) / "structures"
    (path,) = made.glob("*.pdb")
    table, out = tmp_path / "t.csv", tmp_path / "out"
    table.write_text(f"id,structure\na,{path.relative_to(tmp_path)}\n")
    assert embed(capsys, table, out, "--pool").code == 0
    assert "0 parts made" in embed(capsys, table, out, "--pool").out
    path.write_text(path.read_text() + "REMARK changed\n")
    done = embed(capsys, table, out, "--pool")
    assert done.code == 2 and "was made of other records" in done.err


def test_a_damaged_part_is_told_with_what_to_do(
    capsys: Capture, tmp_path: Path, fasta: Path
) -> None:
    out = tmp_path / "out"
    embed(capsys, fasta, out)
    before, part = content(out), out / "part-00001.parquet"
    part.write_bytes(part.read_bytes()[:-100])
    done = embed(capsys, fasta, out)
    assert done.code == 2 and "part-00001.parquet cannot be read" in done.err
    part.unlink()
    assert "1 part made" in embed(capsys, fasta, out).out and content(out) == before


def test_a_full_disk_keeps_the_parts_that_are_complete(
    capsys: Capture, tmp_path: Path, fasta: Path
) -> None:
    out, text = tmp_path / "out", fasta.read_text()
    embed(capsys, fasta, tmp_path / "whole")
    large = (tmp_path / "whole" / "part-00003.parquet").stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (large - 100, before[1]))
    try:
        done = embed(capsys, fasta, out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert done.code == 5 and f"{out} cannot be written to: File too large." in done.err
    assert "The parts that are complete stay" in done.err
    assert not [name for name in os.listdir(out) if "unfinished" in name]
    assert embed(capsys, fasta, out).code == 1 and text == fasta.read_text()
    assert content(out) == content(tmp_path / "whole")


def test_without_pyarrow_one_sentence_says_what_to_do(
    capsys: Capture, tmp_path: Path, fasta: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    done = embed(capsys, fasta, tmp_path / "out")
    assert done.code == 2 and "`pip install pyarrow`" in done.err
    assert not (tmp_path / "out").exists()


def test_a_pyarrow_that_is_too_old_is_told(
    capsys: Capture, tmp_path: Path, fasta: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(pq.ParquetWriter, "add_key_value_metadata")
    done = embed(capsys, fasta, tmp_path / "out")
    assert done.code == 2 and "pyarrow 17 or later" in done.err
    assert not (tmp_path / "out").exists()


def test_the_embedder_goes_to_another_process_and_gives_what_the_library_does() -> None:
    names, texts = zip(*sequences(8).items(), strict=True)
    embedder = pickle.loads(pickle.dumps(zoo.Embedder("plm_mini", pool=True, device="cpu")))
    given = {"id": [*names, "bad"], "sequence": [*texts, "M1K"], "more": [0] * 9}
    with ProcessPoolExecutor(1, mp.get_context("spawn")) as pool:
        found = pool.submit(embedder, given).result()
    assert [*found] == ["id", "residues", "fused", "failed"]
    assert list(found["id"]) == [*names, "bad"]
    assert list(found["failed"][:8]) == [None] * 8 and "not residues" in found["failed"][8]
    assert found["fused"].dtype == np.float32 and np.isnan(found["fused"][8]).all()
    proteins = [from_sequence(*pair) for pair in sequences(8).items()]
    expected = zoo.embed(proteins, "plm_mini", pool=True)
    for name, row in zip(names, found["fused"], strict=False):
        np.testing.assert_allclose(row, expected[name].numpy(), atol=1e-5)


def test_the_embedder_gives_a_row_for_each_residue_of_a_column_of_pandas() -> None:
    frame = pd.DataFrame({"id": ["a", "b"], "sequence": ["MKTAYI", None]})
    protein = from_sequence("a", "MKTAYI")
    found = zoo.Embedder("plm_mini", half=True, layer=0)(frame)
    assert list(found["residue"][:2]) == list(zoo.embed(protein, "plm_mini").rows["a"][:2])
    assert found["0"].dtype == np.float16 and found["0"].shape == (7, WIDTH)
    assert found["failed"][6] and found["id"][6] == "b"
    empty = zoo.Embedder("plm_mini")({"id": [], "sequence": []})
    assert empty["fused"].shape == (0, WIDTH) and len(empty["failed"]) == 0


def test_the_predictor_gives_the_rows_of_the_library() -> None:
    path = "zoo/examples/1a8o.cif.gz"
    predictor = pickle.loads(pickle.dumps(zoo.Predictor("ppbs")))
    given = {"id": ["x", "y"], "structure": [path, "missing.pdb"]}
    found, expected = predictor(given), zoo.predict(path, "ppbs")
    assert list(found) == [*expected.columns, "failed"]
    np.testing.assert_allclose(found["binding_site"][:-1], expected["binding_site"], atol=1e-6)
    assert list(found["number"][:-1]) == list(expected["number"])
    assert "missing.pdb: does not exist" in found["failed"][-1]
    assert np.isnan(found["binding_site"][-1]) and found["position"][-1] == 0


def test_threads_take_turns_at_one_model(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded, real = list[str](), EmbeddingJob.begin
    monkeypatch.setattr(
        EmbeddingJob,
        "begin",
        lambda self: (loaded.append(self.model), time.sleep(0.2), real(self))[2],
    )
    embedder = zoo.Embedder("plm_mini", pool=True, tokens=77)
    pieces = [{"id": [name], "sequence": [text]} for name, text in sequences(4).items()]
    columns._opened.cache_clear()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(embedder, pieces))
    assert len(loaded) == 1 and [part["id"][0] for part in found] == [*sequences(4)]


def test_a_callable_says_what_is_wrong_with_its_model_or_columns() -> None:
    with pytest.raises(StructureError, match="without the column `id`"):
        zoo.Embedder("plm_mini")({"sequence": ["MKT"]})
    with pytest.raises(ConfigError, match="Save a model with `zoo.save_model`"):
        zoo.Embedder(zoo.create_model("plm_mini", "none"))  # type: ignore[arg-type]
    with pytest.raises(ZooError):
        zoo.Predictor("no_such_model")({"id": ["a"], "sequence": ["MKT"]})


def test_dask_maps_partitions_with_it() -> None:
    dataframe = pytest.importorskip("dask.dataframe", reason="Dask is not installed")
    frame = pd.DataFrame([*sequences(6).items()], columns=["id", "sequence"])
    embedder = zoo.Embedder("plm_mini", pool=True)

    def rows(part: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({name: [*column] for name, column in embedder(part).items()})

    meta = {"id": object, "residues": "int32", "fused": object, "failed": object}
    found = dataframe.from_pandas(frame, npartitions=2).map_partitions(rows, meta=meta).compute()
    assert list(found["id"]) == list(frame["id"])
