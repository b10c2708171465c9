"""The house rules of imports and names, checked on the source (see CONTRIBUTING.md)."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "videonet"
FILES = sorted(p for d in ("videonet", "tools", "projects") for p in (ROOT / d).rglob("*.py"))
LIBRARIES = ("models", "data", "evaluation", "engine")
LEAVES = {"distributed", "suggest", "source", "defaults"}
CODE_RUNNERS = r"pickle\.loads?\(|weights_only=False|yaml\.load\(|(?<!\.)\beval\("
MAY = {
    "layers": {"layers"},
    "models": {"models", "layers", "suggest"},
    "data": {"data", "distributed", "suggest"},
    "evaluation": {"evaluation", "distributed", "suggest"},
    "engine": {"engine", "distributed", "suggest"},
    "visualize": {"visualize", "models", "data", "evaluation", "layers", "suggest"},
    "config": {"config", "defaults", "source", "suggest"},
    "source": {"source", "suggest"},
    "defaults": set(),
    "suggest": set(),
    "distributed": set(),
    "networks": {"networks", "models", "suggest"},
    "build": {"build", "networks", "config", "defaults", "distributed", "suggest", "source", *LIBRARIES, "layers"},
    "report": {"report", "visualize", "evaluation"},
    "result": {"result", "report", *LIBRARIES},
    "published": {"published", "models"},
    "inference": {
        "inference",
        "build",
        "networks",
        "config",
        "published",
        "distributed",
        "suggest",
        "source",
        *LIBRARIES,
    },
    "run": {
        "run",
        "result",
        "build",
        "networks",
        "config",
        "defaults",
        "distributed",
        "suggest",
        "source",
        *LIBRARIES,
        "layers",
        "visualize",
    },
}


def imported(path: Path) -> set[str]:
    """Parts of videonet that a file imports anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [f"{node.module}.{a.name}" for a in node.names] if node.module == "videonet" else [node.module]
        elif isinstance(node, ast.Import):
            names = [a.name for a in node.names]
        found |= {n.split(".")[1] for n in names if n.startswith("videonet.")}
    return found


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_follow_the_plan(path):
    part = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if part in MAY:
        assert imported(path) <= MAY[part]


def test_the_rules_speak_of_parts_that_exist():
    parts = {p.name.removesuffix(".py") for p in PACKAGE.iterdir() if not p.name.startswith((".", "_"))}
    assert set(MAY) <= parts


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_keep_the_house_style(path):
    text = path.read_text()
    assert not re.search(r"helper|util|misc|common|builder|manager|base", path.stem), "a file is named by its noun"
    assert ".cuda()" not in text and "NotImplementedError" not in text and not re.search(r"\bTODO\b|\bFIXME\b", text)
    assert not re.search(CODE_RUNNERS, text), "untrusted files never run code"
    tree = ast.parse(text)
    assert ast.get_docstring(tree) or not text.strip(), "a module says what it is"
    parts = path.relative_to(ROOT).parts
    knows = parts[0] in ("tools", "projects") or parts[1] in ("config.py", "build.py", "run.py", "inference.py", "cli")
    if not knows:
        assert not re.search(r"\bcfg\b", text), "only config, build, run, inference, cli and tools know a config"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_public_functions_have_docstrings(path):
    tree = ast.parse(path.read_text())
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{node.name} has no docstring"
