"""Registries, which map names to objects: everything that users choose by name is in one."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from typing import Generic, NamedTuple, TypeVar

from zoo.errors import TakenError, unknown
from zoo.settings.plugins import load_plugins

T = TypeVar("T")


class Place(NamedTuple):
    """The module that defines a named object, and one line that describes it."""

    module: str
    about: str


class Registry(Generic[T]):
    """A dictionary from names to objects whose modules are imported at the first look-up.

    The library announces its own names with their modules, so that listing them imports nothing
    heavy; each module then registers its object with the decorator. A plug-in needs only the
    decorator.

    Examples:
        >>> shapes = Registry[type]("shape")
        >>> @shapes.register("square")
        ... class Square:
        ...     '''Four equal sides.'''
        >>> shapes["square"] is Square, shapes.about("square")
        (True, 'Four equal sides.')
    """

    def __init__(self, what: str) -> None:
        self.what = what
        self._places: dict[str, Place] = {}
        self._entries: dict[str, T] = {}
        self._owners: dict[str, str] = {}

    def announce(self, name: str, module: str, about: str = "") -> None:
        """Add a name without its object, which `module` registers when it is imported."""
        self._places[name] = Place(module, about)

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that registers its object as `name`, which must be a new name.

        Raises:
            TakenError: If the name is taken, also by a module of the library that is not imported
                yet; names both modules.
        """

        def enter(entry: T) -> T:
            module = sys._getframe(1).f_globals.get("__name__", "?")
            announced = self._places[name].module if name in self._places else module
            owner = self._owners.get(name, announced)
            if name in self._entries or owner != module:
                raise TakenError(
                    f"The {self.what} {name!r} is registered twice, by {owner} and by {module}. "
                    "Give the one of your plug-in another name."
                )
            self._entries[name], self._owners[name] = entry, module
            return entry

        return enter

    def known(self) -> list[str]:
        """Return the names that are known without importing plug-ins."""
        return sorted({*self._places, *self._entries})

    def owner(self, name: str) -> str | None:
        """Return the module that registered a name; None before it has, or for another way in."""
        return self._owners.get(name)

    def about(self, name: str) -> str:
        """Return one line on a name: the announced one, or the first of the object's docstring."""
        if name in self._places:
            return self._places[name].about
        return (self[name].__doc__ or "").partition("\n")[0]

    def __getitem__(self, name: str) -> T:
        if name not in self._entries and name in self._places:
            importlib.import_module(self._places[name].module)
        if name not in self._entries:
            load_plugins()
        if name not in self._entries:
            raise unknown(self.what, name, self)
        return self._entries[name]

    def __contains__(self, name: object) -> bool:
        load_plugins()
        return name in self.known()

    def __iter__(self) -> Iterator[str]:
        load_plugins()
        return iter(self.known())

    def __len__(self) -> int:
        load_plugins()
        return len(self.known())
