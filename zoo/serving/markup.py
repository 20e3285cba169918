"""Pieces of HTML that the page puts in place; all that is given is escaped."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence

ABOUT = {
    ".csv": "table",
    ".html": "this page",
    ".pml": "PyMOL",
    ".cxc": "ChimeraX",
    ".zip": "all of these, with the structure",
}
"""What each file to take away is, by the end of its name."""
SCRIPTS = (
    "A script opens the structure that lies beside it under the same name, as in the archive; that "
    "for ChimeraX also needs the .defattr file there."
)
RESIZE = (
    "<script>{ const tell = () => parent.postMessage({zooHeight: "
    'Math.ceil(document.body.getBoundingClientRect().height)}, "*"); '
    "tell(); new ResizeObserver(tell).observe(document.body); }</script></body>"
)
"""Tells the page around it how tall the page of predictions is, as it may not be looked into.

At once as well, since a browser watches no sizes in a frame that is out of sight.
"""
HEAD = """<style>
body.dark, body.dark gradio-app, body.dark .gradio-container { background: #15181d !important; }
</style><script>
addEventListener("message", (event) => {
  const frame = document.querySelector("#frame iframe");
  const height = Number(event.data?.zooHeight);
  if (frame && event.source === frame.contentWindow && height > 0)
    frame.style.height = `${Math.min(height, 6000) + 2}px`;
});
</script>"""
STYLE = """
.gradio-container { width: 100%; max-width: 64rem !important; margin: 0 auto !important; }
:root { --body-text-color-subdued: #5d6778; --block-info-text-color: #5d6778; }
.dark { --body-text-color-subdued: #9aa4b2; --block-info-text-color: #9aa4b2; }
#frame, #frame .html-container { padding: 0; }
#frame iframe { display: block; width: 100%; height: 60rem; border: 0; }
.files { display: flex; flex-wrap: wrap; gap: .4rem .6rem; margin: 0 0 .4rem; padding: 0;
  list-style: none; }
.files a { display: inline-block; padding: .3rem .7rem; border-radius: 6px;
  border: 1px solid var(--border-color-primary); color: var(--body-text-color);
  text-decoration: none; overflow-wrap: anywhere; }
.files a:hover, .files a:focus-visible { border-color: var(--color-accent); }
.files span, .soft { color: var(--body-text-color-subdued); font-size: .9em; }
.error { border-left: 4px solid #c0362c; padding: .3rem .8rem; overflow-wrap: anywhere;
  white-space: pre-line; }
.told { overflow-wrap: anywhere; }
"""


def framed(page: str) -> str:
    """Return an element that shows a whole page, which can reach nothing around it."""
    inner = html.escape(page.replace("</body>", RESIZE))
    return f'<iframe title="Predictions" sandbox="allow-scripts" srcdoc="{inner}"></iframe>'


def downloads(files: Mapping[str, bytes]) -> str:
    """Return links that hold the files themselves, so that none lies on the server's disk."""
    links = "".join(_link(name, data) for name, data in files.items())
    scripts = any(name.endswith((".pml", ".cxc")) for name in files)
    remark = f"<p class=soft>{html.escape(SCRIPTS)}</p>" if scripts else ""
    return f"<ul class=files>{links}</ul>{remark}"


def _link(name: str, data: bytes) -> str:
    shown, what = html.escape(name), ABOUT[name[name.rindex(".") :]]
    source = f"data:application/octet-stream;base64,{base64.b64encode(data).decode()}"
    return f'<li><a download="{shown}" href="{source}">{shown} <span>{what}</span></a></li>'


def sentences(lines: Sequence[str]) -> str:
    """Return lines to read, each a paragraph."""
    return "".join(f"<p class=told>{html.escape(line)}</p>" for line in lines)


def error(text: str) -> str:
    """Return an error, which a screen reader says at once."""
    return f'<p class=error role="alert">{html.escape(text)}</p>'
