"""The examples in docstrings run, and show what they say."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest

import edgeq

ROOT = Path(__file__).resolve().parents[1]


def module_name(path: Path) -> str:
    """edgeq/x/y.py -> edgeq.x.y, passes/x/y.py -> edgeq.passes.x.y: never through the link."""
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    return ".".join([*(["edgeq"] if parts[0] == "passes" else []), *parts]).removesuffix(".__init__")


WITH_EXAMPLES = sorted(
    module_name(path)
    for folder in ("edgeq", "passes")
    for path in (ROOT / folder).rglob("*.py")
    if "edgeq/passes" not in path.relative_to(ROOT).as_posix() and ">>> " in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_show_what_they_say(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = doctest.testmod(import_module(name))
    assert found.attempted > 0
    assert found.failed == 0


def test_every_public_name_is_in_the_example_of_the_package() -> None:
    assert edgeq.__doc__ is not None
    example = "".join(line for line in edgeq.__doc__.splitlines(keepends=True) if line.startswith((">>>", "...")))
    needs_torch = {"finetune", "from_torch"}  # told of in words: examples run without extras
    assert [name for name in edgeq.__all__ if f"edgeq.{name}" not in (edgeq.__doc__ if name in needs_torch else example)] == []


def test_thirty_functions_have_examples() -> None:
    finder = doctest.DocTestFinder(exclude_empty=True)
    examples = [test.name for name in WITH_EXAMPLES for test in finder.find(import_module(name)) if test.examples]
    assert len(examples) >= 30
