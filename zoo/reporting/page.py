"""HTML pages that are one file and need no network: their style, tables and pictures."""

from __future__ import annotations

import base64
import html
import io
import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STYLE = """
:root { color-scheme: light dark; --ink: #1d2430; --soft: #5d6778; --line: #dfe2e8; --blue: #2563a8;
  --page: #fff; --stage: #ffffff; --shade: #f1f4f8; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e7ec; --soft: #9aa4b2; --line: #353b45;
  --blue: #7db1ec; --page: #15181d; --stage: #15181d; --shade: #20252d; } }
* { box-sizing: border-box; }
body { margin: 0; font: 16px/1.55 system-ui, sans-serif; color: var(--ink);
  background: var(--page); }
main { max-width: 62rem; margin: 0 auto; padding: 2rem 1.2rem 4rem; }
h1 { font-size: 1.6rem; margin: 0 0 .2rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.4rem 0 .4rem; }
p, figcaption { max-width: 46rem; } figcaption, .soft { color: var(--soft); font-size: .9rem; }
figure { margin: .6rem 0 0; }
.plots { display: flex; flex-wrap: wrap; gap: 1rem 1.5rem; align-items: flex-start; }
img { max-width: 100%; height: auto; display: block; background: #fff; }
@media (prefers-color-scheme: dark) {
  .plots img { filter: invert(1) hue-rotate(180deg); mix-blend-mode: screen; } }
.facts { display: flex; flex-wrap: wrap; gap: .6rem 2.2rem; margin: 1.2rem 0; }
.facts div { min-width: 7rem; } .facts b { display: block; font-size: 1.35rem; }
figure + .scroll { margin-top: 1rem; } .scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .88rem; }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; } td.n { font-variant-numeric: tabular-nums; white-space: nowrap; }
pre { background: var(--shade); padding: .8rem 1rem; overflow-x: auto; font-size: .82rem; }
details summary { cursor: pointer; color: var(--blue); }
"""


ALONE = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
)
"""What a page may load: nothing but what is in it, so that a browser holds to it as well."""


def page(title: str, body: str, style: str = "") -> str:
    """Return a whole page; the title is escaped, the body is HTML."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{ALONE}"><title>{html.escape(title)}'
        '</title><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}{style}</style></head><body><main>{body}</main></body></html>"
    )


def png_of(figure: Figure) -> bytes:
    """Return a figure as a PNG file's bytes."""
    data = io.BytesIO()
    figure.savefig(data, format="png", bbox_inches="tight")
    return data.getvalue()


def picture(title: str, caption: str, *plots: bytes) -> str:
    """Return a section with plots in a row, or below each other on a narrow page.

    Title and caption are escaped. A plot is a PNG file with two pixels for one of the page. On a
    dark page it is shown with light and dark exchanged, and the hues as they are.
    """
    images = "".join(_image(title, png) for png in plots)
    return (
        f"<h2>{html.escape(title)}</h2><figure><div class=plots>{images}</div>"
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
    )


def _image(title: str, png: bytes) -> str:
    width, height = struct.unpack(">II", png[16:24])
    source = base64.b64encode(png).decode()
    return (
        f'<img alt="{html.escape(title)}" width={width // 2} height={height // 2} '
        f'src="data:image/png;base64,{source}">'
    )


def figures(facts: Mapping[str, object]) -> str:
    """Return the most important facts, in large type; names and values are escaped."""
    cells = (f"<div><b>{html.escape(str(value))}</b>{html.escape(name)}</div>"
             for name, value in facts.items())  # fmt: skip
    return f"<div class=facts>{''.join(cells)}</div>"


def table(names: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table; every cell is escaped."""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
    lines = ("".join(f"<td class=n>{html.escape(str(cell))}</td>" for cell in row) for row in rows)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<div class=scroll><table><tr>{head}</tr>{body}</table></div>"
