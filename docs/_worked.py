"""A page whose commands and outputs belong together: `python docs/_worked.py` runs and writes it.

Blocks run in order in one folder: `python` in one session, `bash` line by line, of which only the
commands that read data, as a training's numbers differ between machines. A `text` block after them
is what they print; one with a line "..." leaves out the table of labels.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from zoo.__main__ import main

PAGE = Path(__file__).parent / "howto/residues.md"
RUN = ("prepare", "split")
TABLE = re.compile(r"^part  .*?^(?=residues:)", re.M | re.S)
BLOCK = re.compile(r"```(python|bash|text)\n(.*?)```\n", re.S)


def renewed(text: str) -> str:
    """Return a page with each `text` block as the blocks before it print it.

    They run in the current folder.
    """
    names: dict[str, Any] = {}
    printed = ""

    def filled(block: re.Match[str]) -> str:
        nonlocal printed
        if block[1] == "text":
            output, printed = printed, ""
            if re.search(r"^\.\.\.$", block[2], re.M):
                output = TABLE.sub("...\n", output)
            return f"```text\n{output}```\n"
        printed += _printed(block[1], block[2], names)
        return block[0]

    return BLOCK.sub(filled, text)


def _printed(language: str, code: str, names: dict[str, Any]) -> str:
    """Return what a block prints, without progress and spaces at the ends of lines."""
    with io.StringIO() as page, contextlib.redirect_stdout(page), contextlib.redirect_stderr(page):
        if language == "python":
            exec(code, names)
        else:
            for words in filter(lambda words: words[1] in RUN, _commands(code)):
                with mock.patch.object(sys, "argv", words), contextlib.suppress(SystemExit):
                    main()
        lines = [line.rstrip() for line in page.getvalue().splitlines()]
    return "".join(f"{line}\n" for line in lines if not line.startswith("reading: "))


def _commands(code: str) -> Iterator[list[str]]:
    for line in code.replace("\\\n", " ").splitlines():
        verb, *words = shlex.split(line.removeprefix("python -m zoo."), comments=True)
        yield ["zoo", verb, *words]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        before = Path.cwd()
        os.chdir(folder)
        made = renewed(PAGE.read_text())
        os.chdir(before)
    PAGE.write_text(made)
