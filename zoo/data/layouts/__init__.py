"""Layouts of benchmarks on disk, registered as "task/layout" and imported at the first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.settings.registry import Registry
from zoo.tasks import TASKS

if TYPE_CHECKING:
    from zoo.data.layouts.base import Layout

__all__ = ["LAYOUTS"]

LAYOUTS: Registry[type[Layout]] = Registry("layout")

for _task in TASKS.known():
    for _name, _module in TASKS[_task].layouts.items():
        LAYOUTS.announce(f"{_task}/{_name}", _module)
