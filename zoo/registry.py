"""A name, and the class it stands for. Everything selectable by name lives in one of these."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from zoo.errors import unknown

T = TypeVar("T")


class Registry(Generic[T]):
    """A dict with a decorator; a miss names the nearest valid key.

    Examples:
        >>> shapes = Registry[type]("shape")
        >>> @shapes.register("square")
        ... class Square: ...
        >>> shapes["square"] is Square
        True
    """

    def __init__(self, what: str) -> None:
        self.what = what
        self._entries: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that enters its object under `name`; a name is given once."""

        def enter(entry: T) -> T:
            if name in self._entries:
                raise ValueError(f"{self.what} {name!r} is registered twice")
            self._entries[name] = entry
            return entry

        return enter

    def __getitem__(self, name: str) -> T:
        if name not in self._entries:
            raise unknown(self.what, name, self._entries)
        return self._entries[name]

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._entries))

    def __len__(self) -> int:
        return len(self._entries)
