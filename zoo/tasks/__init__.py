"""Tasks by name; the layouts of their data are in `layouts`."""

from zoo.tasks.base import TASKS, Task

__all__ = ["TASKS", "Task"]
