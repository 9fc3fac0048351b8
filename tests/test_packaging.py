"""Tests of the project itself: what the wheel holds, what stays unloaded, public names, the size of
files, and no circles.
"""

from __future__ import annotations

import ast
import graphlib
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import grimp
import numpy as np
import onnx
import pytest

import edgeq

ROOT = Path(__file__).resolve().parents[1]


def sources(root: Path) -> list[Path]:
    """The files of the package in a clone at `root`, each pass once: edgeq/passes is a link to
    passes/.

    A clone may lie in a folder called edgeq: only what comes after root tells a file from the link.
    """
    files = (path for folder in ("edgeq", "passes") for path in (root / folder).rglob("*.py"))
    return sorted(path for path in files if not path.relative_to(root).is_relative_to("edgeq/passes"))


SOURCES = sources(ROOT)
SCRIPTS = sorted(path for folder in ("tests", "benchmarks", "examples") for path in (ROOT / folder).rglob("*.py"))
DATA_PACKAGES = sorted(ROOT / folder / "__init__.py" for folder in ("targets", "calibration_sets"))

MAX_FILE = 200
MAX_FUNCTION = 60
#: files and functions over the limit, with their allowed size and the reason; a size only ever goes
#: down
LONG_FILES: dict[str, int] = {
    "examples/train_digits.py": 223,  # one script that a reader follows from the top: network, gradients, training, export
}
LONG_FUNCTIONS: dict[str, int] = {}

NET = """<ir_version: 8, opset_import: ["": 13]>
net (float[N, 4] x) => (float[N, 3] y) { h = MatMul(x, w)  y = Relu(h) }"""


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", [*SOURCES, *SCRIPTS, *DATA_PACKAGES], ids=relative)
def test_every_file_says_its_purpose_on_its_first_line(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    first = text.splitlines()[0].removeprefix("#!/usr/bin/env python3")
    assert first.startswith('"""')
    assert len(first) > 20


@pytest.mark.parametrize("clone", ["edgeq", "edgeq/passes", "passes", "elsewhere"])
@pytest.mark.parametrize("linked", [True, False])
def test_every_pass_is_seen_once_wherever_the_clone_lies(clone: str, linked: bool, tmp_path: Path) -> None:
    """Where links are followed, or files copied, edgeq/passes holds every pass a second time."""
    root = tmp_path / clone
    names = ["edgeq/__init__.py", "edgeq/graph/read.py", "passes/__init__.py", "passes/prepare/fold.py"]
    for name in [*names, *([] if linked else ["edgeq/passes/__init__.py", "edgeq/passes/prepare/fold.py"])]:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    if linked:
        (root / "edgeq" / "passes").symlink_to("../passes")
    assert [path.relative_to(root).as_posix() for path in sources(root)] == names


def test_the_checks_see_every_room_and_every_pass() -> None:
    seen = {relative(path) for path in SOURCES}
    assert {"edgeq/api.py", "edgeq/graph/read.py", "passes/prepare/fold_batch_norm.py"} <= seen
    assert {path.name for path in (ROOT / "passes").glob("*/*.py")} <= {Path(name).name for name in seen if name.startswith("passes/")}


def test_every_pass_has_a_test_file_of_its_own() -> None:
    """A file that only holds what passes share is tested through them."""
    files = (ROOT / "passes").glob("*/*.py")
    passes = {path.relative_to(ROOT / "passes") for path in files if "(ir.passes.InPlacePass)" in path.read_text(encoding="utf-8")}
    assert len(passes) > 40
    missing = [path.as_posix() for path in sorted(passes) if not (ROOT / "tests" / "passes" / path.parent / f"test_{path.name}").exists()]
    assert missing == []


def test_tests_lie_in_the_rooms_of_what_they_test() -> None:
    """A folder of tests is a room; at the top lie those of the project, and what tests share."""
    folders = {path.parent.relative_to(ROOT / "tests") for path in (ROOT / "tests").rglob("test_*.py")} - {Path()}
    strangers = [folder.as_posix() for folder in sorted(folders) if not (ROOT / "edgeq" / folder).is_dir() and not (ROOT / folder).is_dir()]
    assert strangers == []


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Name and length of each function of a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{relative(path)}:{node.name}", (node.end_lineno or node.lineno) - node.lineno + 1


def test_files_stay_small() -> None:
    sizes = {
        relative(path): len(path.read_text(encoding="utf-8").splitlines())
        for path in [*SOURCES, *SCRIPTS]
        if not path.is_relative_to(ROOT / "tests")
    }
    too_long = {name: size for name, size in sizes.items() if size > LONG_FILES.get(name, MAX_FILE)}
    assert too_long == {}


def test_functions_stay_small() -> None:
    sizes = dict(found for path in [*SOURCES, *SCRIPTS] for found in functions(path))
    too_long = {name: size for name, size in sizes.items() if size > LONG_FUNCTIONS.get(name, MAX_FUNCTION)}
    assert too_long == {}


def test_allowances_are_needed() -> None:
    sizes = {relative(path): len(path.read_text(encoding="utf-8").splitlines()) for path in [*SOURCES, *SCRIPTS]}
    sizes |= dict(found for path in [*SOURCES, *SCRIPTS] for found in functions(path))
    allowed = LONG_FILES | LONG_FUNCTIONS
    assert {name: size for name, size in allowed.items() if sizes.get(name, 0) < size} == {}


def test_no_file_imports_itself_in_a_circle() -> None:
    """Imports for type checkers count too: a circle of words is one for the reader."""
    graph = grimp.build_graph("edgeq", cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    graphlib.TopologicalSorter(imports).prepare()  # raises CycleError, which names the circle


def test_no_rooms_import_each_other_in_a_circle() -> None:
    """A folder is a room, whatever lies in it: sub-rooms of one folder as well."""
    graph = grimp.build_graph("edgeq", cache_dir=None)
    rooms = {module for module in graph.modules if graph.find_children(module)} - {"edgeq"}
    arrows: dict[str, set[str]] = {room: set() for room in rooms}
    for module in graph.modules:
        for other in graph.find_modules_directly_imported_by(module):
            mine, theirs = module.split("."), other.split(".")
            depth = next((i for i, (a, b) in enumerate(zip(mine, theirs, strict=False)) if a != b), min(len(mine), len(theirs)))
            here, there = ".".join(mine[: depth + 1]), ".".join(theirs[: depth + 1])
            if here in rooms and there in rooms and here != there:
                arrows[here].add(there)
    graphlib.TopologicalSorter(arrows).prepare()


def test_no_folder_is_a_shelf() -> None:
    """At most 22 files beside each other; at the top of edgeq/ at most 8 and __main__."""
    folders = {path.parent for path in [*SOURCES, *SCRIPTS]}
    counts = {relative(folder): len(list(folder.glob("*.py"))) for folder in folders}
    assert {name: count for name, count in counts.items() if count > 22} == {}
    assert counts["edgeq"] <= 8 + 1


def test_no_file_has_a_name_that_says_nothing() -> None:
    names = {path.stem for path in [*SOURCES, *SCRIPTS]}
    assert names & {"utils", "util", "helpers", "helper", "common", "misc", "manager"} == set()


def test_documents_change_through_their_typed_methods() -> None:
    """model_copy validates nothing: a misspelt field or a wrong type stays in the copy unseen."""
    found = [use for path in [*SOURCES, *SCRIPTS] for use in uses_of_model_copy(relative(path), path.read_text(encoding="utf-8"))]
    assert [use for use in found if not use.startswith("edgeq/schema/")] == [], (
        "Use a typed method of the document, such as plan.with_weights(...) or recipe.with_floors(...); where there is none, add it in "
        "edgeq/schema/. Tests have tests.changed.changed."
    )


def uses_of_model_copy(name: str, text: str) -> list[str]:
    """Where a file calls or hands on a method model_copy."""
    nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Attribute) and node.attr == "model_copy"]
    return [f"{name}:{node.lineno}" for node in sorted(nodes, key=lambda node: node.lineno)]


def test_a_use_of_model_copy_is_found() -> None:
    text = "def f(plan):\n    return plan.model_copy(\n        update={'grds': 1})\ng = f\nh = g(1).nodes['a'].model_copy"
    assert uses_of_model_copy("a.py", text) == ["a.py:2", "a.py:5"]
    assert uses_of_model_copy("a.py", "'model_copy'\n# plan.model_copy()\nplan.with_weights({})") == []


def test_public_names_are_pinned() -> None:
    pinned = {"EdgeqError", "Quantized", "Recipe", "calibrate", "compare", "convert", "prove", "quantize"}
    pinned |= {"check", "explain", "from_torch", "inspect"}
    pinned |= {"Metric", "finetune", "init", "materialize", "palettize"}
    assert set(edgeq.__all__) == pinned
    assert set(dir(edgeq)) == pinned | {"__version__"}
    for name in pinned - ({"from_torch"} if find_spec("torch") is None else set()):
        assert len((getattr(edgeq, name).__doc__ or "").split()) > 3


def test_no_room_has_a_public_name() -> None:
    """Importing a room binds its name in edgeq, and would hide the function of that name."""
    rooms = {path.stem if path.is_file() else path.name for path in (ROOT / "edgeq").iterdir()}
    assert rooms & set(edgeq.__all__) == set()


def test_every_version_is_pinned() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert [line for line in pins if line.count("==") != 1] == []


# ------------------------------------------------------------------ what is never loaded


@pytest.fixture
def torch_trap(tmp_path: Path) -> dict[str, str]:
    """An environment in which any process that imports torch leaves a file behind, and fails."""
    fake = tmp_path / "trap" / "torch"
    fake.mkdir(parents=True)
    mark = tmp_path / "torch_was_imported"
    (fake / "__init__.py").write_text(
        f"import pathlib, sys\npathlib.Path({str(mark)!r}).write_text(repr(sys.argv))\nraise ImportError('trap')\n"
    )
    return os.environ | {"PYTHONPATH": str(fake.parent), "TRAP_MARK": str(mark)}


def test_the_trap_works(torch_trap: dict[str, str]) -> None:
    subprocess.run([sys.executable, "-c", "try:\n import torch\nexcept ImportError: pass"], env=torch_trap, check=True)
    assert Path(torch_trap["TRAP_MARK"]).exists()


def loaded_by(code: str, env: dict[str, str]) -> set[str]:
    """Names of the top-level modules that a fresh process holds after `code`."""
    tail = "\nimport sys\nprint('LOADED', *sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code + tail], env=env, capture_output=True, text=True, check=True)
    return set(next(line for line in done.stdout.splitlines() if line.startswith("LOADED")).split()[1:])


def test_import_edgeq_is_light(torch_trap: dict[str, str]) -> None:
    heavy = {"torch", "onnxruntime", "onnxsim", "onnxscript", "matplotlib", "sklearn", "PIL"}
    assert heavy & loaded_by("import edgeq", torch_trap) == set()
    assert not Path(torch_trap["TRAP_MARK"]).exists()


def test_help_is_light(torch_trap: dict[str, str]) -> None:
    code = "from edgeq.cli.main import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass"
    heavy = {"torch", "onnxruntime", "onnx", "onnxsim", "onnxscript", "matplotlib", "sklearn", "PIL"}
    assert heavy & loaded_by(code, torch_trap) == set()


def test_quantize_never_loads_torch(torch_trap: dict[str, str], tmp_path: Path) -> None:
    """The child process that simplifies counts too: it inherits the trap."""
    model = onnx.parser.parse_model(NET)
    rng = np.random.default_rng(0)
    model.graph.initializer.append(onnx.numpy_helper.from_array(rng.normal(size=(4, 3)).astype(np.float32), "w"))
    onnx.save(model, tmp_path / "net.onnx")
    np.savez(tmp_path / "data.npz", x=rng.normal(size=(16, 4)).astype(np.float32))
    command = ["quantize", str(tmp_path / "net.onnx"), "--data", str(tmp_path / "data.npz"), "-o", str(tmp_path / "out.onnx")]
    code = f"import sys\nfrom edgeq.cli.main import main\nsys.exit(main({command!r}))"
    done = subprocess.run([sys.executable, "-c", code], env=torch_trap, capture_output=True, text=True)
    assert (done.returncode, (tmp_path / "out.onnx").exists()) == (0, True), done.stdout + done.stderr
    assert not Path(torch_trap["TRAP_MARK"]).exists()


# ------------------------------------------------------------------ the wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Names of the files of a wheel built from a copy of the tree as a clone without symbolic links
    has it.
    """
    try:
        able = int(version("setuptools").partition(".")[0]) >= 77
    except PackageNotFoundError:
        able = False
    if not able:
        pytest.skip("needs setuptools >= 77 beside pytest (extra [dev]) to build a wheel without the network")
    copy = tmp_path_factory.mktemp("clone") / "tree"
    keep = ("edgeq", "passes", "targets", "calibration_sets", "pyproject.toml", "README.md", "LICENSE")
    copy.mkdir()
    for name in keep:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"), symlinks=True)
        else:
            shutil.copy(source, copy / name)
    (copy / "edgeq" / "passes").unlink(missing_ok=True)
    (copy / "edgeq" / "passes").write_text("../passes", encoding="utf-8")  # what git leaves where links are off
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(copy / "dist"), str(copy)]
    done = subprocess.run(command, capture_output=True, text=True)  # sdist, then the wheel from the sdist
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    (path,) = (copy / "dist").glob("*.whl")
    return zipfile.ZipFile(path).namelist()


def test_the_wheel_holds_edgeq_alone(wheel: list[str]) -> None:
    tops = {name.partition("/")[0] for name in wheel}
    assert {name for name in tops if not name.endswith(".dist-info")} == {"edgeq"}


def test_the_wheel_holds_every_source_file(wheel: list[str]) -> None:
    wanted = {f"edgeq/{relative(path)}" if path.is_relative_to(ROOT / "passes") else relative(path) for path in SOURCES}
    assert wanted - set(wheel) == set()


def test_the_wheel_holds_the_data(wheel: list[str]) -> None:
    targets = {f"edgeq/targets/{path.name}" for path in (ROOT / "targets").glob("*.toml")}
    sets = {
        f"edgeq/{relative(path)}"
        for path in (ROOT / "calibration_sets").rglob("*")
        if path.is_file() and path.suffix in (".npz", ".onnx", ".toml")
    }
    others = {relative(path) for path in (ROOT / "edgeq").rglob("*") if path.suffix in (".html", ".css", ".js") or path.name == "py.typed"}
    assert {"edgeq/py.typed", "edgeq/report/page/page.html", "edgeq/report/page/page.css", "edgeq/report/page/start.js"} <= others
    assert (targets | sets | others) - set(wheel) == set()


def test_passes_are_importable_from_their_own_folder() -> None:
    import edgeq.passes

    assert Path(str(edgeq.passes.__file__)).resolve() == ROOT / "passes" / "__init__.py"
