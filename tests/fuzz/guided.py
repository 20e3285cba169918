"""Coverage-guided fuzzing of one reader: python -m tests.fuzz.guided pdb -runs=100000.

Needs atheris (`pip install atheris`), which is no dependency. What follows the name are libFuzzer's
options. It ends at the first input that ends in anything but a result or an error of ours, and
writes it to the working folder.
"""

from __future__ import annotations

import logging
import sys
import tempfile
import warnings
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["zoo.proteins", "zoo.tasks", "zoo.settings.config"]):
    from tests.fuzz.readers import readers
    from zoo.data.samples import DroppedSample
    from zoo.errors import ZooError


def main() -> None:
    """Fuzz until it is enough or something fails."""
    warnings.simplefilter("ignore")
    logging.disable()
    name, *options = sys.argv[1:]
    scratch = Path(tempfile.mkdtemp())
    reader = readers(scratch)[name]
    corpus, folder = scratch / "corpus", scratch / "work"
    corpus.mkdir()
    folder.mkdir()
    for number, seed in enumerate(reader.seeds):
        (corpus / str(number)).write_bytes(seed)

    def one(data: bytes) -> None:
        try:
            reader.read(data, folder)
        except (ZooError, DroppedSample):
            pass

    limits = ["-timeout=5", "-rss_limit_mb=4096", "-max_len=65536"]
    atheris.Setup([sys.argv[0], str(corpus), *limits, *options], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
