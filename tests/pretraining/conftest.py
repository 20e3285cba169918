"""Families and kin without MMseqs2."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from zoo.pretraining import parting, structures


def related_by(
    monkeypatch: pytest.MonkeyPatch, related: Callable[[str, str], bool], size: int = 1
) -> None:
    """Let every few sequences in a row be a family, and say which are kin of which query."""

    def kin(queries: dict[str, str], targets: dict[str, str]) -> set[str]:
        return {n for n, s in targets.items() if any(related(q, s) for q in queries.values())}

    monkeypatch.setattr(
        parting, "families", lambda named: {n: i // size for i, n in enumerate(named)}
    )
    monkeypatch.setattr(parting, "kin", kin)
    monkeypatch.setattr(structures, "kin", kin)
    monkeypatch.setattr(structures, "carried", lambda *_: [])


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every sequence be a family of its own, and kin to whoever shares its first letters."""
    related_by(monkeypatch, lambda query, sequence: query[:9] == sequence[:9])
