"""Time the kernels of a model with onnxruntime's own profile."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from time import monotonic

import onnx
import onnx_ir as ir

from edgeq.io.temporaries import ScratchFolder
from edgeq.numerics.arrays import AnyArray
from edgeq.runtimes.optimized_graph import bodies, marked
from edgeq.runtimes.ort import open_session

#: runs that are profiled after one that is not counted: as many as fit into BUDGET_S, of these
#: numbers
LEAST_RUNS, MOST_RUNS, BUDGET_S = 5, 50, 1.0
_TIME = "_kernel_time"


@dataclass(frozen=True)
class KernelTime:
    """One kernel of the optimized graph."""

    #: its name, with marks of the nodes that it was made from (optimized_graph)
    name: str
    #: operator type, which may be one of onnxruntime only
    op_type: str
    #: names of its outputs, with marks
    outputs: tuple[str, ...]
    #: median time in one run, in milliseconds
    ms: float


def kernel_times(model: ir.Model, feeds: Mapping[str, AnyArray], *, signed: bool = False) -> tuple[tuple[KernelTime, ...], int]:
    """The kernels that run on one thread with all optimizations, and the number of timed runs.

    feeds: of one sample. signed: as of open_session. Raises RuntimeRefused.
    """
    with ScratchFolder() as folder:
        path = folder / "optimized.onnx"
        session = open_session(marked(model), threads=1, optimized_path=path, signed=signed, profile=folder / "profile")
        with session:
            session.run(feeds)
            began, runs = monotonic(), 0
            while runs < LEAST_RUNS or (runs < MOST_RUNS and monotonic() - began < BUDGET_S):
                session.run(feeds)
                runs += 1
            events = json.loads(session.end_profile().read_text(encoding="utf-8"))
        graph = onnx.load(str(path), load_external_data=False).graph
    made = {node.name: tuple(node.output) for body in bodies(graph) for node in body.node}
    spent: dict[str, list[float]] = {}
    kinds: dict[str, str] = {}
    for event in events:
        name = str(event.get("name", ""))
        if event.get("cat") == "Node" and name.endswith(_TIME):
            spent.setdefault(name.removesuffix(_TIME), []).append(event["dur"] / 1e3)
            kinds[name.removesuffix(_TIME)] = str(event["args"].get("op_name", ""))
    return tuple(KernelTime(name, kinds[name], made.get(name, ()), _each(ms, runs)) for name, ms in spent.items()), runs


def _each(ms: list[float], runs: int) -> float:
    """The time of a kernel in one run; in a loop it runs several times."""
    per_run, rest = divmod(len(ms), runs + 1)
    if per_run <= 1 or rest:
        return median(ms[1:] or ms)
    return median(sum(ms[at : at + per_run]) for at in range(per_run, len(ms), per_run))
