"""Which sessions keep the memory of their values: those that run often, on one size."""

from __future__ import annotations

import ast
from pathlib import Path

import edgeq

#: files whose sessions keep it, and why
KEEPS = {
    "proof/latency.py": "times what an application runs",
    "runtimes/optimized_graph.py": "is not run",
    "runtimes/judged.py": "is not run",
    "runtimes/ort_format.py": "is not run",
    "data/trial.py": "runs on small made-up feeds",
    "calibration/pairs/part_labels.py": "runs on labels of few shapes",
    "calibration/sensitivity.py": "runs often on one size",
    "learn/export.py": "runs on small feeds",
    "learn/simulation/float_islands.py": "runs often on one size",
    "tuning/timing.py": "times what an application runs",
    "runtimes/kernel_times.py": "times what an application runs",
    "testing/pass_laws.py": "runs toys",
    "testing/target_laws.py": "runs toys",
}


def test_a_session_that_runs_once_on_the_users_data_keeps_no_memory() -> None:
    """Kept memory grows in powers of two and with the largest run: a picture of 1280 x 1280 takes a
    gigabyte.
    """
    root = Path(edgeq.__file__).parent
    found = set()
    for path in root.rglob("*.py"):
        for call in (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)):
            if isinstance(call.func, ast.Name) and call.func.id == "open_session" and "arena" not in {key.arg for key in call.keywords}:
                found.add(path.relative_to(root).as_posix())
    assert found <= set(KEEPS)
