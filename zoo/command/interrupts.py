"""Ctrl-C and SIGTERM: the step under way is finished first, so that nothing is lost."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Interrupts:
    """Let the step under way finish at the first Ctrl-C; a second one stops at once."""

    def __init__(self) -> None:
        self.seen = False

    def __enter__(self) -> Interrupts:
        self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _note(self, *_: object) -> None:
        if self.seen:
            raise KeyboardInterrupt
        self.seen = True
        # Not through rich: the signal may come while it is printing.
        os.write(2, b"\nstopping after this step (Ctrl-C again: at once) ...\n")


@contextmanager
def asked_to_stop() -> Iterator[Callable[[], bool]]:
    """Yield whether Ctrl-C was pressed, or SIGTERM sent, as clusters do before they kill."""
    ended = False

    def note(*_: object) -> None:
        nonlocal ended
        ended = True

    before = signal.signal(signal.SIGTERM, note)
    try:
        with Interrupts() as interrupts:
            yield lambda: ended or interrupts.seen
    finally:
        signal.signal(signal.SIGTERM, before)
