"""An answer, or an error as a sentence: HTML in which nothing that was given is markup."""

from __future__ import annotations

import base64
import html
import re
from pathlib import Path

import pytest

from tests import browser
from tests.conftest import REPOSITORY
from zoo.errors import StructureError
from zoo.serving import desk, markup
from zoo.serving.given import given
from zoo.serving.shelf import Shelf
from zoo.serving.uploads import Uploads

EXAMPLE = REPOSITORY / "zoo/examples/1a8o.cif.gz"
HOSTILE = "</iframe><script>alert(1)</script>\"'"


@pytest.fixture(scope="module")
def shelf() -> Shelf:
    return Shelf([], "cpu")


def test_an_error_is_a_sentence_and_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    def failing() -> None:
        raise StructureError(HOSTILE)

    found, error = desk.tried(failing)
    assert found is None and html.escape(HOSTILE) in error and "<script" not in error
    assert capsys.readouterr().err == ""


def test_what_nobody_foresaw_is_told_without_a_traceback(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found, error = desk.tried(lambda: 1 / 0)
    assert found is None and desk.UNFORESEEN in error
    assert "ZeroDivisionError" not in error and "ZeroDivisionError" in capsys.readouterr().err


@pytest.mark.parametrize("content", [EXAMPLE.read_bytes(), b"<html>"])
def test_nothing_of_what_is_sent_stays_on_the_disk(tmp_path: Path, content: bytes) -> None:
    sent = tmp_path / "hash" / "1a8o.cif.gz"
    sent.parent.mkdir()
    sent.write_bytes(content)
    uploads = Uploads(tmp_path)
    found, error = desk.tried(lambda: desk.read_upload(str(sent), uploads))
    assert (found is None) == bool(error) == (content == b"<html>")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_an_answer_is_a_page_and_files(shelf: Shelf) -> None:
    held = given("1a8o.cif.gz", EXAMPLE.read_bytes())
    notes, files, frame = desk.answered(shelf, held, "bce", ["A"], "")
    assert notes == "" and '<iframe title="Predictions" sandbox="allow-scripts" srcdoc="' in frame
    links = dict(re.findall(r'download="(.*?)" href="data:[^"]*,(.*?)"', files))
    assert [*links] == ["predictions.csv", "index.html", "1a8o.cxc", "1a8o.pml", "1a8o.zip"]
    page = html.unescape(re.findall(r'srcdoc="(.*)"', frame, re.DOTALL)[0])
    written = base64.b64decode(links["index.html"]).decode()
    assert page.replace(markup.RESIZE, "</body>") == written
    assert base64.b64decode(links["predictions.csv"]).startswith(b"id,chain,position,number,letter")


@pytest.mark.parametrize(
    ("model", "chains", "scope", "told"),
    [
        ("bce", [], "", "No chain is chosen"),
        ("bce", ["Z"], "", "has no protein chain Z"),
        ("../run", ["A"], "", "Unknown model"),
        ("bce", ["A"], "both", "Unknown scope"),
    ],
)
def test_a_wrong_choice_is_told(
    shelf: Shelf, model: str, chains: list[str], scope: str, told: str
) -> None:
    held = given("1a8o.cif.gz", EXAMPLE.read_bytes())
    error, *rest = desk.answered(shelf, held, model, chains, scope)
    assert told in html.unescape(error) and 'role="alert"' in error and rest == ["", ""]


def test_a_structure_that_is_not_held_any_more_is_told(shelf: Shelf) -> None:
    assert desk.answered(shelf, None, "bce", ["A"], "")[0] == markup.error(desk.GONE)


def test_a_model_is_told_with_what_it_is_not_for(shelf: Shelf) -> None:
    assert "no measure" in desk.about(shelf, "mqa")
    assert 'role="alert"' in desk.about(shelf, "../run")


def test_a_hostile_page_is_text_in_its_frame() -> None:
    framed = markup.framed(f"<html><body>{HOSTILE}</body></html>")
    assert framed.count("<iframe") == framed.count("</iframe>") == 1 and "<script" not in framed


@browser.needed
def test_a_frame_tells_its_height_and_reaches_nothing_around_it(tmp_path: Path) -> None:
    inner = (
        "<!doctype html><html><head></head><body style='margin:0'><div style='height:1234px'>"
        "</div><script>try { parent.document.title = 'reached'; } catch (refused) {}</script>"
        "</body></html>"
    )
    page = f"<html><head>{markup.HEAD}</head><body><p id=frame>"
    page += f"</p><script>frame.innerHTML = {markup.framed(inner)!r};</script></body></html>"
    found = browser.after(page.replace("</script>'", "<\\/script>'"), "", tmp_path)
    assert re.search(r'<iframe[^>]* style="height: 1236px;"', found) and "reached<" not in found
