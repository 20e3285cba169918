"""What happens when a structure is given and when an answer is asked for, as HTML to show."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from zoo.errors import ZooError
from zoo.prediction.ensemble import in_scope
from zoo.prediction.scope import checked_scope
from zoo.serving import markup
from zoo.serving.answers import answer
from zoo.serving.given import Given, given
from zoo.serving.shelf import Shelf
from zoo.serving.uploads import Uploads

Result = TypeVar("Result")
UNFORESEEN = (
    "Something went wrong that this program did not foresee. The terminal that it runs in shows "
    "what; please report it."
)
GONE = "The structure is not held any more. Give it once more, above."


def read_upload(path: str, uploads: Uploads) -> Given:
    """Return the structure in a file that was sent, of which nothing stays on the disk.

    Args:
        path: Path of the file.
        uploads: The folder of all that is sent.

    Raises:
        StructureError: If it is no structure that the page takes.
    """
    return given(Path(path).name, uploads.read(path))


def answered(
    shelf: Shelf, held: Given | None, model: str, chains: Sequence[str], scope: str
) -> tuple[str, str, str]:
    """Return what was noted, links to files, and the page of predictions; or an error alone.

    Args:
        shelf: Models to choose from.
        held: The structure; None if there is none.
        model: Name of the model.
        chains: Names of the chains to take.
        scope: "chain", "complex", or "" for what the model was trained on.
    """
    if held is None:
        return markup.error(GONE), "", ""

    def predicted() -> tuple[str, str, str]:
        asked = checked_scope(scope or None)
        ensemble = in_scope(shelf[model], asked)
        found = answer(
            held, chains, ensemble, model=model, warnings=shelf.warnings(model), asked=asked
        )
        notes, files = markup.sentences(found.notes), markup.downloads(found.files)
        return notes, files, markup.framed(found.page)

    done, error = tried(predicted)
    return done or (error, "", "")


def about(shelf: Shelf, model: str) -> str:
    """Return what is to be known of a model before it is asked."""
    lines, error = tried(lambda: [shelf.about(model), *shelf.warnings(model)])
    return markup.sentences(lines) if lines else error


def tried(work: Callable[[], Result]) -> tuple[Result | None, str]:
    """Return what some work returns, and else why it does not, as HTML and never a traceback."""
    try:
        return work(), ""
    except ZooError as error:
        return None, markup.error(str(error))
    except Exception:  # whatever it is, the page goes on
        traceback.print_exc(file=sys.stderr)
        return None, markup.error(UNFORESEEN)
