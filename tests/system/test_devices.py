"""Workers share the devices that the user lets them see."""

from __future__ import annotations

import pytest
import torch

from zoo.system.devices import share


@pytest.mark.parametrize(
    "own, count, found",
    [("2, 5", 2, ["2", "5", "2"]), ("GPU-1a", 1, ["GPU-1a"] * 3), (None, 2, ["0", "1", "0"])],
)
def test_workers_take_turns_on_the_devices_that_the_user_named(
    own: str | None, count: int, found: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if own is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", own)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    given = [share(number, 3, "auto") for number in range(3)]
    assert [one["CUDA_VISIBLE_DEVICES"] for one in given] == found
