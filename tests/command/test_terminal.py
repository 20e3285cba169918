"""What verbs look like on a terminal, in a log, to a program and to the shell's tab key."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.verbs import call
from zoo.__main__ import VERBS, completing
from zoo.backbones import STRUCTURE_BACKBONES
from zoo.command.say import progress
from zoo.models.summary import RANDOM_WARNING

COLOUR = re.compile(r"\x1b\[(?:\d+;)*3[0-9]")
"""A foreground colour; bold and dim are none."""


def on_a_terminal(*arguments: str, **environment: str) -> str:
    """Return what `zoo ARGUMENTS` writes to a terminal."""
    ours, theirs = pty.openpty()
    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"} | environment
    env.pop("NO_COLOR", None) if "NO_COLOR" not in environment else None
    with subprocess.Popen(
        [sys.executable, "-m", "zoo", *arguments], stdout=theirs, stderr=theirs, env=env
    ) as process:
        os.close(theirs)
        chunks = []
        while chunk := _read(ours):
            chunks.append(chunk)
    assert process.returncode is not None
    os.close(ours)
    return b"".join(chunks).decode()


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # Linux says so at the end of a terminal
        return b""


def completed(*words: str) -> set[str]:
    """Return what the shell offers for the last word."""
    env = {**os.environ, "_ZOO_COMPLETE": "complete_bash", "COMP_WORDS": " ".join(words),
           "COMP_CWORD": str(len(words) - 1)}  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "zoo"], env=env, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_an_error_is_red_on_a_terminal_and_not_with_no_color() -> None:
    assert COLOUR.search(on_a_terminal("biuld"))
    plain = on_a_terminal("biuld", NO_COLOR="1")
    assert "Did you mean 'build'" in plain
    assert not COLOUR.search(plain)


@pytest.mark.parametrize("verb", ["list", "doctor"])
def test_nothing_is_coloured_in_a_file(capsys: pytest.CaptureFixture[str], verb: str) -> None:
    assert "\x1b" not in call(capsys, verb).out


@pytest.mark.parametrize("verb", list(VERBS))
def test_every_verb_can_be_quiet(capsys: pytest.CaptureFixture[str], verb: str) -> None:
    assert "--quiet" in call(capsys, verb, "--help").out


@pytest.mark.parametrize("verb", list(VERBS))
def test_every_verb_has_an_example_and_speaks_to_programs(
    capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    out = " ".join(call(capsys, verb, "--help").out.split())
    assert f"Example: python -m zoo.{verb}" in out
    assert "--json" in out


def test_quiet_leaves_results_and_warnings(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    structure = Path("zoo/examples/1a8o.cif.gz").resolve()
    broken = tmp_path / "broken.pdb"
    broken.write_text("no structure")
    wanted = ("predict", structure, broken, "--model", "ppbs", "--quiet", "--out", tmp_path / "out")
    done = call(capsys, *wanted)
    assert done.code == 1
    assert "1 predicted" in done.out
    assert "broken.pdb" in done.err
    assert not [line for line in done.err.splitlines() if not line.startswith("failed")]


def test_quiet_does_not_hide_that_weights_are_random(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    structure = Path("zoo/examples/1a8o.cif.gz").resolve()
    wanted = ("embed", structure, "--model", "esm2_8m", "--weights", "random", "--out",
              tmp_path / "a.h5")  # fmt: skip
    done = call(capsys, *wanted, "--quiet")
    assert done.code == 0
    assert " ".join(done.err.split()) == RANDOM_WARNING


def test_the_tab_key_knows_verbs_options_and_names() -> None:
    assert completed("zoo", "pre") == {"predict", "prepare", "pretrain"}
    assert "--quiet" in completed("zoo", "store", "--q")
    assert completed("zoo", "build", "--struct", "g") == {
        name for name in STRUCTURE_BACKBONES if name.startswith("g")
    }
    assert "ppbs" in completed("zoo", "evaluate", "pp")
    assert "ppbs_esm2_8m_gvp_local" in completed("zoo", "train", "ppbs_esm2_8m")


def test_the_hook_is_printed() -> None:
    env = {**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "zoo", "--show-completion", "bash"],
        env=env, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "_ZOO_COMPLETE=complete_bash" in done.stdout


def test_completion_knows_every_verb() -> None:
    assert set(completing().func.commands) == set(VERBS)


def test_json_is_all_there_is_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    json.loads(call(capsys, "doctor", "--json", "--quiet").out)


def test_a_log_tells_how_fast_it_goes_and_how_long_it_takes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter([100.0, 110.0, 120.0])
    monkeypatch.setattr("zoo.command.say.time.monotonic", lambda: next(times))
    with progress("reading", 100) as show:
        show(50)  # there already, from an interrupted run
        show(60)
        show(100)
    assert capsys.readouterr().err.splitlines() == [
        "reading: 50 of 100",
        "reading: 60 of 100, 1/s, 0:00:40 left",
        "reading: 100 of 100",
    ]


def test_a_warning_of_ours_is_a_line(tmp_path: Path) -> None:
    path = tmp_path / "long.fasta"
    path.write_text(">long\n" + "ACDEFGHIKL" * 120 + "\n")
    done = subprocess.run(
        [sys.executable, "-m", "zoo.embed", str(path), "--model", "plm_mini", "--out",
         str(tmp_path / "out.h5")], capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    line = next(line for line in done.stderr.splitlines() if "trained on" in line)
    assert line.startswith("warning: a chain of 1200 residues is longer")
    assert ".py" not in done.stderr
