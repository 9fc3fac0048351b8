"""Which part of a run each node of a small network takes: onnxruntime's own profile, read for
operators.py.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort

#: names of the nodes that are no part of the operator: the layers and the node aside; onnxruntime
#: renames float ones after their outputs
LAYERS, ASIDE = ("first", "second", "last", "a_nchwc", "c_nchwc", "y_nchwc"), ("aside", "z_nchwc", "w_nchwc")
OPERATOR = ("op", "b_nchwc")
CONVERSIONS = ("QuantizeLinear", "DequantizeLinear")
#: what onnxruntime puts at the ends of a graph of layers
ENDS = (*CONVERSIONS, "Transpose", "ReorderInput", "ReorderOutput")
#: runs of one session before the next session has its turn
BURST = 10


@dataclass(frozen=True)
class Times:
    """Microseconds of one run.

    operator: everything but layers, ends and conversions; op: the node [op]; quantize, dequantize:
    at the ends of the graph.
    """

    operator: float
    layers: float
    op: float
    quantize: float
    dequantize: float


class Profiled:
    """A session with onnxruntime's own profile, and the graph that it runs."""

    def __init__(self, model: onnx.ModelProto, folder: Path, name: str) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        options.enable_profiling = True
        options.profile_file_prefix = str(folder / name)
        options.optimized_model_filepath = str(folder / f"{name}.onnx")
        self.session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        self.graph = onnx.load(folder / f"{name}.onnx").graph
        shape = [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]
        self.feed = {"x": np.random.default_rng(1).normal(size=shape).astype(np.float32)}

    def burst(self) -> None:
        for _ in range(BURST):
            self.session.run(None, self.feed)

    def times(self) -> Times:
        events = json.loads(Path(self.session.end_profiling()).read_text(encoding="utf-8"))
        runs: dict[str, list[float]] = {}
        for event in events:
            if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
                runs.setdefault(event["name"].removesuffix("_kernel_time"), []).append(event["dur"])
        cost = {name: statistics.quantiles(found, n=4)[0] for name, found in runs.items()}
        at_ends = ends(self.graph)
        inner = [n for n in self.graph.node if n.name not in at_ends and not n.name.startswith((*LAYERS, *ASIDE))]
        return Times(
            operator=sum(cost.get(n.name, 0.0) for n in inner if n.op_type not in CONVERSIONS),
            layers=sum(cost.get(n.name, 0.0) for n in self.graph.node if n.name.startswith(LAYERS)),
            op=sum(cost.get(n.name, 0.0) for n in inner if n.name.startswith(OPERATOR)),
            quantize=sum(cost.get(n.name, 0.0) for n in self.graph.node if n.op_type == "QuantizeLinear" and n.name in at_ends),
            dequantize=sum(cost.get(n.name, 0.0) for n in self.graph.node if n.op_type == "DequantizeLinear" and n.name in at_ends),
        )


def ends(graph: onnx.GraphProto) -> set[str]:
    """Names of the nodes that a graph of the two layers alone has too: conversions and layout
    changes at its input and output.
    """
    found: set[str] = set()
    before, after = {value.name for value in graph.input}, {value.name for value in graph.output}
    for node in graph.node:
        if node.op_type in ENDS and node.input[0] in before:
            before.update(node.output)
            found.add(node.name)
    for node in reversed(graph.node):
        if node.op_type in ENDS and node.output[0] in after:
            after.add(node.input[0])
            found.add(node.name)
    return found


def measure(models: Mapping[str, onnx.ModelProto], rounds: int) -> dict[str, Times]:
    """Times of every model, in rounds that visit each in turn."""
    with tempfile.TemporaryDirectory() as folder:
        sessions = {name: Profiled(model, Path(folder), name) for name, model in models.items()}
        for _ in range(rounds):
            for session in sessions.values():
                session.burst()
        return {name: session.times() for name, session in sessions.items()}


def fastest_run(models: Sequence[onnx.ModelProto], rounds: int) -> list[float]:
    """Seconds of the fastest of all runs of each model, without a profile, in turn."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    sessions = [ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"]) for model in models]
    feeds = [{"x": np.zeros([dim.dim_value for dim in m.graph.input[0].type.tensor_type.shape.dim], np.float32)} for m in models]
    best = [float("inf")] * len(models)
    for _ in range(rounds * BURST):
        for index, (session, feed) in enumerate(zip(sessions, feeds, strict=True)):
            begin = time.perf_counter()
            session.run(None, feed)
            best[index] = min(best[index], time.perf_counter() - begin)
    return best
