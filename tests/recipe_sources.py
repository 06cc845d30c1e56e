"""Fingerprints of what makers compute; ``python -m tests.recipe_sources`` renews the stored."""

import ast
import functools
import hashlib
import json
from pathlib import Path

from study.recipes import RECIPES

STORED = Path(__file__).with_suffix(".json")
STUDY = Path(__file__).parents[1] / "study"


def fingerprint(make) -> str:
    """Hash of a maker and of all in ``study`` that it uses; texts and comments do not count."""
    made = make.func if isinstance(make, functools.partial) else make
    bound = sorted(make.keywords.items()) if isinstance(make, functools.partial) else []
    found: dict[tuple[str, str], str] = {}
    waiting = [(made.__module__, made.__name__)]
    while waiting:
        place = waiting.pop()
        if place not in found:
            node, used = _definition(*place)
            found[place] = node
            waiting += used
    text = json.dumps([sorted(found.items()), bound], default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@functools.cache
def _module(name: str) -> tuple[dict[str, ast.stmt], dict[str, tuple[str, str]]]:
    """Top-level definitions of a module of the study, and what it takes from others of it."""
    path = STUDY / f"{name.partition('.')[2].replace('.', '/')}.py"
    defined, taken = {}, {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            defined[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for name_node in (n for t in targets for n in ast.walk(t)):
                if isinstance(name_node, ast.Name):
                    defined[name_node.id] = node
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("study."):
            taken |= {alias.asname or alias.name: (node.module, alias.name) for alias in node.names}
    return defined, taken


def _definition(module: str, name: str) -> tuple[str, list[tuple[str, str]]]:
    """A definition without its texts, and the places of the names that it uses."""
    defined, taken = _module(module)
    node = _without_texts(defined[name])
    names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    used = [(module, n) for n in names & set(defined) if n != name]
    return ast.dump(node), used + [taken[n] for n in names & set(taken) if _is_code(taken[n])]


def _is_code(place: tuple[str, str]) -> bool:
    """Whether what is taken computes something: plans and inputs have keys of their own."""
    return place[0] not in ("study.plan", "study.inputs") or place[1] == "measured"


def _without_texts(node: ast.stmt) -> ast.stmt:
    for one in ast.walk(node):
        body = getattr(one, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            value = body[0].value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                body[0] = ast.Pass()
    return node


def current() -> dict[str, dict]:
    """Version and fingerprint of every recipe."""
    return {
        name: {"version": recipe.version, "source": fingerprint(recipe.make)}
        for name, recipe in RECIPES.items()
    }


if __name__ == "__main__":
    STORED.write_text(json.dumps(current(), indent=1) + "\n", encoding="utf-8")
