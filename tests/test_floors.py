"""Tests of .ci/floors.py, which installs the lowest versions that pyproject.toml allows."""

from __future__ import annotations

import importlib.util
import tomllib
from types import ModuleType

import pytest

from tests.docs.written import ROOT


@pytest.fixture(scope="module")
def floors() -> ModuleType:
    spec = importlib.util.spec_from_file_location("floors", ROOT / ".ci" / "floors.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_dependency_has_a_lower_bound_that_is_tried(floors: ModuleType) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    bounds = floors.lower_bounds(project, floors.EXTRAS, floors.TOOLS)
    listed = [*project["dependencies"], *(one for extra in floors.EXTRAS for one in project["optional-dependencies"][extra])]
    assert set(bounds) == {one.partition(">=")[0] for one in listed} | set(floors.TOOLS)
    assert bounds["typer"] == "0.15.4"  # 0.15.3 and older fail with the click that they allow


def test_a_requirement_without_a_lower_bound_is_found(floors: ModuleType) -> None:
    project = {"dependencies": ["numpy>=2.0", "free"], "optional-dependencies": {"dev": ["pytest>=8"], "report": []}}
    assert floors.lower_bounds(project, ("report",), ("pytest",)) == {"numpy": "2.0", "pytest": "8"}
    with pytest.raises(KeyError):
        floors.lower_bounds(project, ("report",), ("ruff",))


def test_the_lowest_version_with_a_wheel_is_taken(floors: ModuleType) -> None:
    assert floors.lowest("2.0", ["1.26.4", "2.0.0", "2.1.0"]) == "2.0.0"
    assert floors.lowest("0.5", ["0.4.36", "0.10.1", "0.6.3"]) == "0.6.3"
    assert floors.lowest("3.0", ["2.9"]) is None


def test_pips_refusal_is_read(floors: ModuleType) -> None:
    said = "WARNING: x\nERROR: Could not find a version that satisfies the requirement onnxsim==0.5 (from versions: 0.4.36, 0.6.3, 1.0rc1)"
    assert floors.refused(said) == ("onnxsim", ["0.4.36", "0.6.3"])
    brought = "ERROR: Could not find a version that satisfies the requirement core==2.18 (from pydantic) (from versions: 2.20.0)"
    assert floors.refused(brought) == ("pydantic", [])
    assert floors.refused("ERROR: Cannot install a==1 and b==2 because these package versions have conflicting dependencies.") is None


def test_the_tests_that_are_run_exist(floors: ModuleType) -> None:
    assert [path for path in floors.TESTS if not (ROOT / path).is_file()] == []
