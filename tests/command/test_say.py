"""What is printed is what was meant, whatever is in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.table import Table

from tests.verbs import call
from zoo.command.say import note, say, show, terminal, warn
from zoo.examples.made_up import write_made_up

AWKWARD = "runs[new] out[/a] [bold]x[/] :smile: " + "long " * 60


@pytest.mark.parametrize("speak", [say, note, warn])
def test_a_text_is_printed_as_it_is(speak: object, capsys: pytest.CaptureFixture[str]) -> None:
    speak(AWKWARD)  # type: ignore[operator]
    found = capsys.readouterr()
    assert (found.out + found.err) == AWKWARD + "\n"
    assert bool(found.out) == (speak is say)


def test_so_is_a_cell_of_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table(box=None, show_header=False)
    table.add_row("runs[new]", "out[/a]")
    show(table)
    assert capsys.readouterr().out.split() == ["runs[new]", "out[/a]"]


def test_a_folder_with_brackets_goes_through_a_verb(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = tmp_path / "runs[new]" / "[" / "a]"
    write_made_up(tmp_path / "mine", 5)
    done = call(capsys, "prepare", "table", "--data", tmp_path / "mine", "--out", out)
    assert done.code == 0, done.err
    assert str(out / "report.csv") in done.out
    wrong = call(capsys, "prepare", "table", "--data", tmp_path / "no[/such]", "--out", out)
    assert wrong.code == 4 and "no[/such] does not exist" in wrong.err


def test_one_of_several_processes_speaks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RANK", "1")
    terminal().say("nothing")
    monkeypatch.setenv("RANK", "0")
    terminal().say("something")
    assert capsys.readouterr().err == "something\n"
