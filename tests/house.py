"""How the code is laid out, as numbers: `python -m tests.house`.

Imports inside functions count like those at the top of a file; `if TYPE_CHECKING` does not, as
nothing is imported there. A package directly in `zoo/` is one room; the files directly in `zoo/`
are the verbs. What a registry finds by name is not followed: one entry of it is loaded at a time.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NO_VERB = {"zoo", "zoo.__main__", "zoo.errors"}
"""Modules at the root beside the verbs."""


@dataclass
class Module:
    """What the syntax of one file says.

    Attributes:
        name: dotted.
        path: of the file.
        imports: names that it imports wherever, of modules or of things in them.
        functions: at its top level.
        classes: at its top level.
    """

    name: str
    path: Path
    imports: set[str] = field(default_factory=set)
    functions: int = 0
    classes: int = 0


@cache
def modules() -> dict[str, Module]:
    """Return every module of `zoo` and `hpo` by name."""
    found = {}
    for package in ("zoo", "hpo"):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found[name] = _read(name, path)
    return found


def _read(name: str, path: Path) -> Module:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = [type(node) for node in tree.body]
    module = Module(name, path, set(_imported(tree)))
    module.functions = kinds.count(ast.FunctionDef)
    module.classes = kinds.count(ast.ClassDef)
    return module


def _imported(node: ast.AST) -> Iterator[str]:
    """Yield the names that are imported below a node, but for those of type checking alone."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and getattr(child.test, "id", "") == "TYPE_CHECKING":
            continue
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, "a relative import"
            yield from (f"{child.module}.{alias.name}" for alias in child.names)
        else:
            yield from _imported(child)


def imports_of(module: Module) -> set[str]:
    """Return the modules of ours that a module imports."""
    found = set()
    for name in module.imports:
        parent = name.rpartition(".")[0]
        found.add(name if name in modules() else parent if parent in modules() else "")
    return found - {"", module.name}


def room(name: str) -> str:
    """Return the room of a module: its package in `zoo`, "verbs", or "hpo"."""
    parts = name.split(".")
    if parts[0] == "hpo":
        return "hpo"
    if (ROOT / "zoo" / parts[1]).is_dir() if len(parts) > 1 else False:
        return parts[1]
    return name if name in NO_VERB else "verbs"


def strangers() -> list[str]:
    """Return the modules directly in `zoo/` that are no verb."""
    from zoo.__main__ import VERBS

    at_root = {name for name in modules() if room(name) in ("verbs", *NO_VERB)}
    return sorted(at_root - NO_VERB - {f"zoo.{verb}" for verb in VERBS})


def arrows() -> dict[str, dict[str, set[str]]]:
    """Return for each room the rooms it imports, and which modules do."""
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for module in modules().values():
        for other in imports_of(module):
            if room(other) != room(module.name):
                found[room(module.name)][room(other)].add(f"{module.name} -> {other}")
    return found


def circles() -> list[tuple[str, str]]:
    """Return pairs of rooms that can each be reached from the other by imports."""
    graph = {one: set(others) for one, others in arrows().items()}

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        todo = [start]
        while todo:
            for other in graph.get(todo.pop(), ()):
                if other not in seen:
                    seen.add(other)
                    todo.append(other)
        return seen

    reach = {one: reached(one) for one in graph}
    return sorted((a, b) for a in reach for b in reach[a] if a < b and a in reach.get(b, ()))


def reachable(start: str) -> list[Module]:
    """Return the modules that a module imports, directly or not, and itself."""
    seen, todo = {start}, [start]
    while todo:
        for other in imports_of(modules()[todo.pop()]) - seen:
            seen.add(other)
            todo.append(other)
    return [modules()[name] for name in sorted(seen)]


def users(library: str) -> list[str]:
    """Return the files that import a library."""
    return [
        module.path.relative_to(ROOT).as_posix()
        for module in modules().values()
        if any(f"{name}.".startswith(library + ".") for name in module.imports)
    ]


def main() -> None:
    """Print the numbers."""
    reach = reachable("zoo.train")
    print(f"modules at the root that are no verb: {', '.join(strangers()) or 'none'}")
    print(f"circles of imports between packages: {circles() or 'none'}")
    print(
        f"reachable from zoo.train: {len(reach)} modules, {sum(m.classes for m in reach)} classes, "
        f"{sum(m.functions for m in reach)} functions"
    )
    print(f"files that import DGL: {', '.join(users('dgl'))}")
    for one, others in sorted(arrows().items()):
        print(f"{one:14} -> {', '.join(sorted(others))}")


if __name__ == "__main__":
    main()
