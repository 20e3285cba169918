"""Each benchmark script runs on a tiny input: both sides compute the same, ratios are printed."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.scripts import BENCHMARKS, script

EXAMPLE = REPOSITORY / "zoo/examples/1a8o.cif.gz"
Run = Callable[..., str]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Call a script's main function with arguments; return what it prints."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import race

    monkeypatch.setattr(race, "ceiling", lambda device: f"no ceiling of {device}")

    def call(name: str, *arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments), "--threads", "1"])
        script(name, monkeypatch).main()
        return capsys.readouterr().out

    return call


@pytest.fixture
def ppbs(tmp_path: Path) -> Path:
    """Return a folder with a label file of eleven chains, and structures."""
    chains = ["ACDEFGHIKLMNPQRSTVWY"[: 9 + at] for at in range(11)]
    rows = [
        f">{at}abc_0-A\n" + "".join(f"A {i} {letter} 0\n" for i, letter in enumerate(chain, 1))
        for at, chain in enumerate(chains)
    ]
    (tmp_path / "labels_train.txt").write_text("".join(rows))
    (tmp_path / "structures").mkdir()
    for name in "ab":
        shutil.copy(EXAMPLE, tmp_path / "structures" / f"{name}.cif.gz")
    return tmp_path


def test_embedding(run: Run, ppbs: Path) -> None:
    out = run("embedding", "--data", ppbs, "--chains", 8, "--rounds", 1)
    assert "8 chains of 12 residues" in out and "x 1.00" in out


def test_embedding_as_a_share_of_the_matrix_rate(run: Run) -> None:
    assert "% (" in run("embedding", "--share", "--rounds", 1)


def test_structure_files(run: Run, ppbs: Path) -> None:
    out = run("structure_files", EXAMPLE, "--data", ppbs, "--rounds", 3)
    assert "file to batch" in out and "2 chains of" in out and "in the 2 without a break" in out


def test_training_step(run: Run, ppbs: Path) -> None:
    pytest.importorskip("Bio", reason="Biopython reads the peer's files")
    out = run("training_step", "--data", ppbs, "--plm", "esm2_8m", "--tokens", 150, "--rounds", 1)
    assert "and the peers', are equal" in out and "stored" in out


def test_throughput_of_files(run: Run) -> None:
    out = run("throughput", "files", "--rows", 9000, "--groups", 20)
    assert "Parquet      9,000 rows" in out and "HDF5            20 rows" in out


@pytest.mark.slow
def test_throughput_of_commands(run: Run, ppbs: Path) -> None:
    out = run("throughput", "database", "--count", 300, "--kills", 0, "--part-size", 20)
    assert "pyarrow: 300 rows, each record once" in out
    assert "the last against the first" in run("throughput", "memory", "--counts", 10, 20)
    for name in "cdefghij":
        shutil.copy(EXAMPLE, ppbs / "structures" / f"{name}.cif.gz")
    out = run("throughput", "workers", "--data", ppbs / "structures", "--rounds", 1)
    assert "10 structures" in out and "two workers" in out


@pytest.mark.slow
def test_commands(run: Run, ppbs: Path) -> None:
    out = run("commands", "start", "predict", "build", "--structures", ppbs / "structures",
              "--count", 2, "--rounds", 1, "--plm", "esm2_8m")  # fmt: skip
    assert "zoo.list" in out and "scores equal" in out and "imports and drawing" in out


def test_pipeline(run: Run, ppbs: Path) -> None:
    pytest.importorskip("Bio", reason="Biopython reads the peer's files")
    out = run("pipeline", "--structures", ppbs / "structures", "--rounds", 1)
    assert "the 2 chains that both read alike are equal" in out and "zoo predict" in out


def test_what_runs_on_a_gpu_calls_scripts_with_options_that_they_have() -> None:
    lines = (BENCHMARKS / "on_gpu.sh").read_text().splitlines()
    calls = [line.split()[2:] for line in lines if line.startswith("    measure ")]
    assert len(calls) > 5
    for name, *arguments in calls:
        source = (BENCHMARKS / f"{name}.py").read_text()
        for option in ("--device", *(word for word in arguments if word.startswith("--"))):
            assert f'add_argument("{option}"' in source, (name, option)


def test_lighter_language_models(run: Run) -> None:
    out = run("lighter", "esm2_8m", "--rounds", 1)
    assert "bfloat16: cosine 0.999" in out and "half the layers" in out


@pytest.mark.slow
def test_compiled(run: Run) -> None:
    out = run("compiled", "schnet", "--copies", 1, "--rounds", 1)
    assert out.count("first compiled run") == 2 and out.count("x 1.00") >= 2


@pytest.mark.slow
def test_kills_of_a_worker(run: Run) -> None:
    pytest.importorskip("pyarrow", reason="Parquet parts need pyarrow, of the extra `parquet`")
    out = run("kills", "worker", "--count", 200, "--kills", 1, "--part-size", 20)
    assert "10 parts, equal to those of an undisturbed run" in out and "each record once" in out
