"""Tasks by name."""

from zoo.tasks.base import TASKS, Task

__all__ = ["TASKS", "Task"]
