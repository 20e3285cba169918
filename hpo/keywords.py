"""The keywords of registered parts, read from their source: importing torch takes seconds."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import zoo

FOLDERS = {"structure": "backbones", "fusion": "fusion"}
"""Where the classes behind a config section's `name` are."""


@cache
def keywords(section: str) -> dict[str, tuple[str, ...]]:
    """Return the keyword-only arguments of each part of a section, by its registered name."""
    folder = Path(zoo.__file__).parent / FOLDERS[section]
    found: dict[str, tuple[str, ...]] = {}
    for path in sorted(folder.glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
        for node in classes.values():
            for name in _registered(node):
                found[name] = _keywords(node, classes)
    return found


def _registered(node: ast.ClassDef) -> list[str]:
    return [
        str(call.args[0].value)
        for call in node.decorator_list
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)
        if call.func.attr == "register" and isinstance(call.args[0], ast.Constant)
    ]


def _keywords(node: ast.ClassDef, classes: dict[str, ast.ClassDef]) -> tuple[str, ...]:
    """Return those of the class's own constructor, else of its base's in the same file."""
    for part in node.body:
        if isinstance(part, ast.FunctionDef) and part.name == "__init__":
            return tuple(argument.arg for argument in part.args.kwonlyargs)
    bases = [base.id for base in node.bases if isinstance(base, ast.Name) and base.id in classes]
    return _keywords(classes[bases[0]], classes) if bases else ()
