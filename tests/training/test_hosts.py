"""Two hosts, each with its own network, name and shared memory, train one model together.

They are namespaces of this machine, which takes root and Linux. As it changes the machine's
network, it runs when asked to alone: ZOO_TEST_HOSTS=1 python -m pytest tests/training/test_hosts.py
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from safetensors.torch import load_file

from tests import shelf
from tests.conftest import REPOSITORY
from tests.training import runs

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("ZOO_TEST_HOSTS" not in os.environ, reason="ZOO_TEST_HOSTS=1 asks for it"),
]
Start = Callable[..., "subprocess.Popen[str]"]
CONFIG = """
task: ppbs
sequence: {{name: {plm}}}
structure: {{name: schnet, args: {{num_layers: 2, hidden: 8, num_filters: 8}}}}
graph: {{k: 6}}
fusion: {{name: local, write_back: side, args: {{width: 8, gate_width: 4}}}}
train: {{epochs: 3, tokens: 20}}
"""  # a chain a batch, so an even number of batches


def run(*command: object) -> None:
    subprocess.run(list(map(str, command)), check=True, capture_output=True)


def set_up(names: tuple[str, str], wires: tuple[str, str]) -> None:
    run("ip", "link", "add", wires[0], "type", "veth", "peer", "name", wires[1])
    for number, (name, wire) in enumerate(zip(names, wires, strict=True), 1):
        run("ip", "netns", "add", name)
        run("ip", "link", "set", wire, "netns", name)
        run("ip", "-n", name, "addr", "add", f"10.77.0.{number}/24", "dev", wire)
        for device in ("lo", wire):
            run("ip", "-n", name, "link", "set", device, "up")


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Start]:
    """Start a command on host 0 or 1, with its output in a file."""
    names, wires = ((f"{kind}{os.getpid()}a", f"{kind}{os.getpid()}b") for kind in ("zoo", "z"))
    if not all(map(shutil.which, ("ip", "unshare", "hostname", "mount"))):
        pytest.skip("ip, unshare, hostname or mount is missing")
    try:
        set_up(names, wires)
        run("ip", "netns", "exec", names[0], "unshare", "--uts", "--ipc", "--mount", "true")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no network of its own can be made here: {error.stderr.decode().strip()}")

    def start(host: int, log: str, *command: object) -> subprocess.Popen[str]:
        own = 'hostname "host$0" && mount -t tmpfs none /dev/shm && exec "$@"'
        with (tmp_path / log).open("w") as file:
            return subprocess.Popen(
                ["ip", "netns", "exec", names[host], "unshare", "--uts", "--ipc", "--mount",
                 "bash", "-c", own, str(host), *map(str, command)],
                stdout=file, stderr=file, text=True, cwd=REPOSITORY,
                env=os.environ | {"GLOO_SOCKET_IFNAME": wires[host], "OMP_NUM_THREADS": "1"},
            )  # fmt: skip

    try:
        yield start
    finally:
        for name in names:
            lose(name)
            subprocess.run(["ip", "netns", "del", name], check=False)


def lose(host: str) -> None:
    """End all that a host runs, at once."""
    found = subprocess.run(["ip", "netns", "pids", host], capture_output=True, text=True)
    for pid in found.stdout.split():
        with suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)


def test_two_hosts_train_what_one_does_and_go_on_after_one_was_lost(
    hosts: Start, tmp_path: Path, plm_folders: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data, config = runs.quick_data(tmp_path / "data"), tmp_path / "small.yaml"
    config.write_text(CONFIG.format(plm=plm_folders["esm"]))
    monkeypatch.setenv("ZOO_STORE", str(tmp_path / "store"))
    verb = ["-m", "zoo.train", config, "--data", data]

    def both(name: str, port: int, *more: object) -> list[subprocess.Popen[str]]:
        return [
            hosts(host, f"{name}{host}", sys.executable, "-m", "torch.distributed.run",
                  "--nnodes", 2, "--node_rank", host, "--nproc_per_node", 1, "--master_addr",
                  "10.77.0.1", "--master_port", port, *verb, "--out", tmp_path / name,
                  "--nodes", 2, "--devices", 1, "--strategy", "ddp", *more)
            for host in (0, 1)
        ]  # fmt: skip

    alone = hosts(0, "alone0", sys.executable, *verb, "--out", tmp_path / "alone",
                  "--set", "train.accumulate=2")  # fmt: skip
    assert alone.wait(120) == 0, (tmp_path / "alone0").read_text()
    assert [p.wait(120) for p in both("whole", 29500)] == [0, 0], (tmp_path / "whole0").read_text()
    same(tmp_path / "alone", tmp_path / "whole", exact=False)

    first, second = both("lost", 29501)
    log, until = tmp_path / "lost" / "train.log", time.monotonic() + 120
    while time.monotonic() < until and not (log.is_file() and "epoch 1 of" in log.read_text()):
        time.sleep(0.05)
    lose(second.args[3])  # type: ignore[index]
    second.wait()
    assert first.wait(60) != 0
    said = (tmp_path / "lost0").read_text()
    assert "Another process of this training died" in said and "--resume" in said
    assert [p.wait(120) for p in both("lost", 29502, "--resume")] == [0, 0], said
    same(tmp_path / "whole", tmp_path / "lost", exact=True)


def same(a: Path, b: Path, *, exact: bool) -> None:
    left, right = (load_file(folder / "model.safetensors") for folder in (a, b))
    assert left.keys() == right.keys()
    for name in left:
        if exact:
            assert left[name].equal(right[name]), name
        else:
            shelf.assert_close(left[name], right[name], scale=20)
