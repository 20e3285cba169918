"""The answer to one structure: the page of predictions, and files to take away."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from zoo.errors import StructureError
from zoo.prediction.ensemble import Ensemble
from zoo.prediction.estimating import batched
from zoo.prediction.folder import STRUCTURES, TABLE
from zoo.prediction.journal import Journal
from zoo.prediction.listing import Input
from zoo.prediction.many import Prediction, has_scored
from zoo.proteins.files.formats import stem
from zoo.reporting.predicted import PAGE, predicted_page
from zoo.reporting.scenes import write_all_scenes
from zoo.serving.given import Given, checked_chains, on_disk, without_folder
from zoo.settings.config import CHAIN

MOST_RESIDUES = 5_000
"""Of the chosen chains; `ppbs` took nine seconds for 1,800 of them, on one core."""
TOKENS = 4096
"""As `zoo predict` has it by default, for the same numbers to the last digit."""
SCRIPTS = (".pml", ".cxc")
CUT = "The model was trained on single chains, so each chain was taken alone."
DAY_ONE = (1980, 1, 1, 0, 0, 0)
"""The time of files in an archive, so that equal answers are equal files."""


class Answer(NamedTuple):
    """What the page shows, and nothing of it is on the disk.

    Attributes:
        page: Page of predictions, which is one file.
        files: Content of each file to take away, by its name.
        notes: What is to be known of how it was made.
    """

    page: str
    files: dict[str, bytes]
    notes: list[str]


def answer(
    given: Given, chains: Sequence[str], ensemble: Ensemble, *,
    model: str, warnings: Sequence[str] = (), asked: str | None = None,
) -> Answer:  # fmt: skip
    """Predict one structure, as `zoo predict --page --structures` does.

    Args:
        given: The structure.
        chains: Names of the chains to read.
        ensemble: Models that predict, with the scope to take.
        model: What the page calls them.
        warnings: What the page says of them first.
        asked: The scope, if it was asked for and is not that of the training.

    Raises:
        StructureError: If no chain is chosen, or they have too many residues, or the structure
            cannot be predicted; the message is for the page.
    """
    wanted = checked_chains(given, list(chains))
    _check_residues(given, wanted)
    with on_disk(given.name, given.data) as path, tempfile.TemporaryDirectory() as made:
        out = Path(made)
        with Journal(out / "journal.jsonl", {}) as journal:
            work = Prediction(ensemble, journal, _structures(out, ensemble))
            for batch in batched(work.pending([_input(given, path, wanted)]), TOKENS):
                work.predict_or_note(batch)
            if work.outcome.failed:
                (reason, *_) = work.outcome.failed.values()
                raise StructureError(reason)
            work.finish(out / f"{TABLE}.csv")
            if work.structures is not None:
                write_all_scenes(
                    work.structures, journal, journal.names(), ensemble.targets, ensemble.thresholds
                )
            page = predicted_page(
                journal, ensemble.targets, ensemble.thresholds, model=model, warnings=warnings,
                title=stem(given.name), scope=ensemble.scope,
            )  # fmt: skip
        (out / PAGE).write_text(page, encoding="utf-8")
        notes = [without_folder(reason, path) for reason in work.outcome.partial.values()]
        if work.outcome.complexes and ensemble.scope == CHAIN and asked is None:
            notes.append(CUT)
        return Answer(page, _files(out, stem(given.name)), notes)


def _check_residues(given: Given, wanted: Sequence[str]) -> None:
    residues = sum(count for name, count in given.chains if name in wanted)
    if residues > MOST_RESIDUES:
        raise StructureError(
            f"The chosen chains of {given.name} have {residues:,} residues, and this page takes at "
            f"most {MOST_RESIDUES:,}. Choose fewer chains; `python -m zoo.predict FILE --model "
            "NAME --out DIR` has no such limit."
        )


def _input(given: Given, path: Path, wanted: tuple[str, ...]) -> Input:
    """Return the file with its chains, named as the command line would name it."""
    whole = Input(path, stem(given.name))
    return whole if len(wanted) == len(given.chains) else whole.only(",".join(wanted))


def _structures(out: Path, ensemble: Ensemble) -> Path | None:
    return out / STRUCTURES if has_scored(ensemble.targets) else None


def _files(out: Path, name: str) -> dict[str, bytes]:
    """Return the files to take away: the table, the page, scripts, and all in one archive."""
    made = sorted(path for path in out.rglob("*") if path.is_file() and path.suffix != ".jsonl")
    single = [out / f"{TABLE}.csv", out / PAGE]
    single += [path for path in made if path.suffix in SCRIPTS]
    return {path.name: path.read_bytes() for path in single} | {f"{name}.zip": _zip(out, made)}


def _zip(out: Path, files: Iterable[Path]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            place = zipfile.ZipInfo(path.relative_to(out).as_posix(), DAY_ONE)
            archive.writestr(place, path.read_bytes(), zipfile.ZIP_DEFLATED)
    return data.getvalue()
