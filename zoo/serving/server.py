"""Runs the page on this machine alone, and removes whatever it had on the disk."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import ConfigError
from zoo.serving.given import MOST_BYTES
from zoo.serving.guard import Guard
from zoo.serving.markup import HEAD, STYLE

if TYPE_CHECKING:
    from zoo.serving.shelf import Shelf

HOST = "127.0.0.1"
AROUND = 2**16
"""Bytes of a request beside the file that it sends."""
FONTS = ("system-ui", "sans-serif")
MONO = ("ui-monospace", "monospace")


def check_installed() -> None:
    """Check that what shows the page is installed.

    Raises:
        ConfigError: If it is not; says how to install it.
    """
    if find_spec("gradio") is None:
        raise ConfigError(
            "The app needs Gradio, which is not installed. In the folder of the package: "
            "pip install -c constraints.txt '.[app]'"
        )


def listening(port: int) -> socket.socket:
    """Return a socket that listens on this machine's own address, which no other one reaches.

    Args:
        port: Number of the port; 0 for any free one.

    Raises:
        ConfigError: If the port cannot be had.
    """
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((HOST, port))
    except OSError as error:
        found.close()
        raise ConfigError(
            f"Port {port} of {HOST} cannot be had ({error.strerror}). Give --port another number, "
            "or 0 for any free port."
        ) from None
    found.listen()
    return found


def serve(shelf: Shelf, port: int, offline: bool, ready: Callable[[str], None]) -> None:
    """Show the page until the process is interrupted.

    Args:
        shelf: Models to choose from.
        port: Port to listen on; 0 for any free one.
        offline: Whether structures by name are only those that were fetched before.
        ready: Called with the page's address once it can be opened.

    Raises:
        ConfigError: If Gradio is missing, or the port cannot be had.
    """
    check_installed()
    with listening(port) as own, tempfile.TemporaryDirectory(prefix="zoo-app-") as made:
        uploads = Path(made, "uploads")
        uploads.mkdir()
        port = own.getsockname()[1]
        app = _application(shelf, uploads, port, offline)
        ready(f"http://{HOST}:{port}")  # who connects now waits in the socket's queue
        _run(app, own)


def _application(shelf: Shelf, uploads: Path, port: int, offline: bool) -> Guard:
    os.environ["GRADIO_TEMP_DIR"] = str(uploads)  # both are read when Gradio is imported
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    import gradio as gr
    from fastapi import FastAPI

    from zoo.serving.uploads import Uploads
    from zoo.serving.window import window

    app = gr.mount_gradio_app(
        FastAPI(openapi_url=None), window(shelf, Uploads(uploads), offline), "/", HOST, port,
        footer_links=[], run_history=False, show_error=False, max_file_size=MOST_BYTES,
        ssr_mode=False, enable_monitoring=False, mcp_server=False, pwa=False, css=STYLE, head=HEAD,
        theme=gr.themes.Default(primary_hue="blue", font=FONTS, font_mono=MONO),
    )  # fmt: skip
    return Guard(app, port, MOST_BYTES + AROUND)


def _run(app: Guard, own: socket.socket) -> None:
    import uvicorn

    settings = uvicorn.Config(app, log_level="warning", lifespan="on", timeout_graceful_shutdown=2)
    try:
        uvicorn.Server(settings).run(sockets=[own])
    except KeyboardInterrupt:  # how it is ended
        pass
