"""Run one input under watch: what it may end in, how long it may take, what it may allocate."""

from __future__ import annotations

import random
import resource
import signal
import time
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.mutate import mutated
from tests.fuzz.readers import Reader
from zoo.data.samples import DroppedSample
from zoo.errors import ZooError

SECONDS = 5
BYTES = 1_000_000_000
"""That a small file may take, beside what the process has."""


class TooLongError(Exception):
    """An input that takes more than `SECONDS`."""


@dataclass
class Outcome:
    """What came of many inputs.

    Attributes:
        read, refused: how many were read, and how many ended in an error of ours.
        failures: by where it came from, the first input that ended in anything else.
        seconds: in all.
    """

    read: int = 0
    refused: int = 0
    failures: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    seconds: float = 0.0


def fuzz(reader: Reader, executions: int, seed: int, folder: Path) -> Outcome:
    """Read so many mutated files; the same seed gives the same ones."""
    folder.mkdir(parents=True, exist_ok=True)
    rng, found, begun = random.Random(seed), Outcome(), time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(executions):
            data = mutated(rng.choice(reader.seeds), reader.seeds, rng)
            _once(reader, data, folder, found)
    found.seconds = time.perf_counter() - begun
    return found


def _once(reader: Reader, data: bytes, folder: Path, found: Outcome) -> None:
    try:
        with _watched():
            reader.read(data, folder)
        found.read += 1
    except (ZooError, DroppedSample) as error:
        assert str(error).strip(), "an error without a word"
        found.refused += 1
    except Exception as error:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if "/zoo/" in f.filename]
        last = frames[-1] if frames else traceback.extract_tb(error.__traceback__)[-1]
        place = f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}"
        found.failures.setdefault(place, (data, traceback.format_exc()))


@contextmanager
def _watched() -> Iterator[None]:
    """Raise for what takes too long or too much memory."""

    def late(*_: object) -> None:
        raise TooLongError

    before = signal.signal(signal.SIGALRM, late)
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        signal.signal(signal.SIGALRM, before)
