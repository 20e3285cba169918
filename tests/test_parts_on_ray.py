"""`--engine ray`: parts by tasks of a cluster, also where a machine of it is lost."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.verbs import call
from zoo.errors import ConfigError
from zoo.prediction.embedding_file import Settings
from zoo.prediction.parts.jobs import EmbeddingJob
from zoo.prediction.parts.on_ray import Cluster, work_on_ray
from zoo.prediction.parts.workers import Run
from zoo.prediction.paths import find_inputs
from zoo.system.listener import Listener

pytest.importorskip("pyarrow", reason="Parquet parts need pyarrow, of the extra `parquet`")


@pytest.fixture
def fasta(tmp_path: Path) -> Path:
    draw, path = random.Random(0), tmp_path / "some.fasta"
    texts = ["".join(draw.choices("ACDEFGHIKLMNPQRSTVWY", k=30)) for _ in range(60)]
    path.write_text("".join(f">s{at}\n{text}\n" for at, text in enumerate([*texts, "M1K"])))
    return path


@pytest.fixture
def cluster() -> Iterator[Any]:
    """Two machines of one core each, beside one that only leads."""
    pytest.importorskip("ray", reason="Ray is not installed: the extra `ray`")
    from ray.cluster_utils import Cluster as Machines

    machines = Machines(initialize_head=True, head_node_args={"num_cpus": 0})
    for _ in range(2):
        machines.add_node(num_cpus=1)
    yield machines
    machines.shutdown()


def run_of(fasta: Path, out: Path, layer: str = "fused") -> Run:
    job = EmbeddingJob("plm_mini", Settings((layer,), pool=True, half=False), device="cpu")
    return Run(job, find_inputs([str(fasta)]), out, 4, 256)


def content(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(out.iterdir()) if path.is_file()}


@pytest.mark.slow
def test_a_machine_that_is_lost_loses_nothing(tmp_path: Path, fasta: Path, cluster: Any) -> None:
    run_of(fasta, tmp_path / "whole").here(Listener())
    out, lost = tmp_path / "out", list[object]()

    def asked() -> bool:
        if not lost and list(out.glob("part-*")):
            lost.append(cluster.list_all_nodes()[-1])
            cluster.remove_node(lost[0], allow_graceful=False)
        return False

    tally = work_on_ray(
        run_of(fasta, out), Cluster(cluster.address, workers=2), Listener(asked=asked)
    )
    assert lost and (tally.parts, tally.missing) == (16, 0)
    assert content(out) == content(tmp_path / "whole")


@pytest.mark.slow
def test_a_mistake_in_a_task_is_told_as_one(tmp_path: Path, fasta: Path, cluster: Any) -> None:
    with pytest.raises(ConfigError, match="--layer 99 is not a layer"):
        work_on_ray(run_of(fasta, tmp_path / "out", "99"), Cluster(cluster.address), Listener())
    assert not (tmp_path / "out").exists()


def test_options_of_ray_without_it_are_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, fasta: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    for options, words in (
        (["--format", "parquet", "--engine", "rai"], "Unknown engine 'rai'"),
        (["--engine", "ray"], "--engine is for --format parquet"),
        (["--format", "parquet", "--address", "auto"], "--address is for --engine ray"),
        (["--format", "parquet", "--engine", "ray"], "`pip install ray`"),
    ):
        done = call(
            capsys, "embed", fasta, "--model", "plm_mini", "--out", tmp_path / "out", *options
        )
        assert done.code == 2 and words in done.err and not (tmp_path / "out").exists()
