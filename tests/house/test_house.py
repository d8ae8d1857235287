"""The house itself: imports run one way, every table's rows are documented, nothing forbidden is in the code."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house import manual

ROOT = Path(__file__).parent.parent.parent
ROOMS = ("dashboard", "pipeline", "seed_data", "storage")
FORBIDDEN = (
    r"\bimport pickle\b",
    r"joblib\.load",
    r"allow_pickle=True",
    r"\bcloudpickle\b",
    r"time\.sleep\(",
    r"except( Exception)?:\s*pass\b",
    r"dangerously_allow_html",
    r"mathjax=True",
    r"\bTODO\b",
)
SOURCES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))


def test_imports_run_one_way():
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_forbidden(path):
    text = path.read_text()
    assert [pattern for pattern in FORBIDDEN if re.search(pattern, text)] == []


RUNNING = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "jsonpickle", "torch"}
CALLS = {"eval", "exec", "compile", "read_pickle", "__import__"}


@pytest.mark.parametrize("path", [*SOURCES, ROOT / "run.py"], ids=lambda path: str(path.relative_to(ROOT)))
def test_no_bytes_are_run(path):
    """Nothing that is read can run: no unpickling under any name, no evaluation of text, no shell."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names} & RUNNING
        elif isinstance(node, ast.ImportFrom):
            found |= {(node.module or "").partition(".")[0]} & RUNNING
        elif isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            own = isinstance(node.func, ast.Attribute) and ast.unparse(node.func) == "re.compile"
            found |= set() if own else {name} & CALLS
            found |= {word.arg for word in node.keywords if word.arg in ("allow_pickle", "shell") and _true(word.value)}
    assert found == set()


def _true(value: ast.expr) -> bool:
    return not (isinstance(value, ast.Constant) and value.value is False)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_say_what_they_are_and_stay_short(path):
    text = path.read_text()
    assert text.lstrip().startswith('"""'), f"{path} has no docstring"
    assert len(text.splitlines()) <= 400, f"{path} is too long: would two rooms be clearer?"


def test_every_setting_is_documented():
    assert manual.PAGE.read_text() == manual.manual(), "run: python -m tests.house.manual"


def test_every_command_is_documented():
    import run

    manual = (ROOT / "docs" / "commands.md").read_text()
    assert [name for name in run.COMMANDS if f"run.py {name}" not in manual] == []
