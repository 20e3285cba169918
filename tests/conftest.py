"""Settings of every test run: one thread, no network, and where the data folder is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

# Read at import by the libraries that they are for, so set before anything imports those.
os.environ.setdefault("DGLBACKEND", "pytorch")
os.environ["HF_HUB_OFFLINE"] = "1"

import pytest  # noqa: E402
import torch  # noqa: E402

from tests import shelf  # noqa: E402
from zoo.data import similarity  # noqa: E402

torch.set_num_threads(1)

REPOSITORY = Path(__file__).resolve().parents[1]


def data_path() -> Path:
    """Return the development data folder, whether or not it is there."""
    return Path(os.environ.get("ZOO_DATA", REPOSITORY.parent / "shared" / "data"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the engine "numba" for GVP alone, which has a kernel in it: for all else it is "auto"."""
    items[:] = [item for item in items if "gvp" in item.nodeid or not _on_numba(item)]


def _on_numba(item: pytest.Item) -> bool:
    called = getattr(item, "callspec", None)
    return called is not None and called.params.get("engine") == "numba"


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def built_in_clusters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cluster sequences by the built-in method: MMseqs2 takes seconds to begin, where it is."""
    monkeypatch.setattr(similarity, "method", lambda: "built-in")


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what runs leave behind out of the user's own cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZOO_STORE", str(tmp_path_factory.mktemp("store")))
        yield


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The development data folder; mark tests that use it with `data`."""
    path = data_path()
    if not path.is_dir():
        pytest.skip("no development data: set ZOO_DATA to its folder")
    return path


@pytest.fixture(scope="session")
def plm_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A folder with weights and tokenizer of every kind of tiny language model, for --seq."""
    root = tmp_path_factory.mktemp("plm")
    return {kind: shelf.save_plm(kind, root / kind) for kind in shelf.SEQUENCE_KINDS}
