"""What a benchmark measures: processes (time, memory), fidelity, latency as paired ratios, and
which kernels really run.
"""

from __future__ import annotations

import math
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from feeds import Feed, feeds, fixed_batch, ranks
from numpy.typing import NDArray

INTEGER = ("QLinear", "QGemm", "QAttention", "MatMulInteger", "ConvInteger", "DynamicQuantizeMatMul", "MatMulNBits")
QDQ = ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear")
#: operators that compute; everything else moves data, or is a matter of shapes
# fmt: off
FLOAT = (
    "Conv", "FusedConv", "ConvTranspose", "Gemm", "FusedGemm", "MatMul", "FusedMatMul", "Add", "Sub", "Mul", "Div", "Sum", "Max", "Min",
    "Pow", "Sqrt", "Exp", "Erf", "Relu", "Clip", "Sigmoid", "Tanh", "HardSwish", "HardSigmoid", "LeakyRelu", "PRelu", "Elu", "Gelu",
    "FastGelu", "BiasGelu", "QuickGelu", "Softmax", "LayerNormalization", "SkipLayerNormalization", "InstanceNormalization",
    "BatchNormalization", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "ReduceMean", "ReduceSum", "ReduceMax", "Resize", "Pad",
    "Concat", "LSTM", "GRU", "RNN", "Attention",
)
# fmt: on


@dataclass(frozen=True)
class Run:
    """One finished process. seconds: wall clock of the whole process; peak_mb: its largest resident
    set.
    """

    seconds: float
    peak_mb: float
    code: int
    output: str


@dataclass(frozen=True)
class Fidelity:
    """Of the first output against float, over every evaluation sample.

    sqnr_db: as this machine runs the model. exact_db: with kernels that cannot saturate: x86
    processors without VNNI add pairs of u8 * s8 products in saturating int16, and lose decibels
    that the model is not to blame for. agreement: share of equal arg-max, None without classes.
    """

    sqnr_db: float
    exact_db: float
    cosine: float
    agreement: float | None
    samples: int


@dataclass(frozen=True)
class Placement:
    """Nodes of onnxruntime's optimized graph: integer kernels, float kernels that compute, Q/DQ
    left over.
    """

    integer: int
    float: int
    qdq: int
    float_ops: str


@dataclass(frozen=True)
class Ratio:
    """Paired latency ratio of two models: median and quartiles over the rounds."""

    median: float
    low: float
    high: float


def run_process(command: Sequence[str]) -> Run:
    """Run a command and account for it; its descendants count for the peak where they were waited
    for.
    """
    with tempfile.TemporaryFile() as sink:
        begin = time.perf_counter()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)  # already reaped: keep Popen from waiting again
        sink.seek(0)
        output = sink.read().decode(errors="replace")
    return Run(seconds, usage.ru_maxrss / 1024, process.returncode, output)


def open_session(model: Path, threads: int = 0, optimized: Path | None = None, exact: bool = False) -> ort.InferenceSession:
    """A session as a user opens it: every optimization on. exact: onnxruntime's slower kernels that
    do not saturate without VNNI.
    """
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    if exact:
        options.add_session_config_entry("session.x64quantprecision", "1")
    if optimized is not None:
        options.optimized_model_filepath = str(optimized)
    return ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def fidelity(reference: Path, models: dict[str, Path], data: Path, limit: int | None, batch: int) -> dict[str, Fidelity]:
    """Every model against the float one in a single pass over the data, batch by batch."""
    float_session = open_session(reference)
    sessions = {name: (open_session(path), open_session(path, exact=True)) for name, path in models.items()}
    output = float_session.get_outputs()[0].name
    sums = {name: np.zeros(5) for name in models}
    equal = dict.fromkeys(models, 0)
    rows = samples = 0
    for feed in feeds(data, ranks(float_session), limit, fixed_batch(float_session) or batch):
        f = float_session.run([output], feed)[0].astype(np.float64)
        classes = f.ndim == 2 and f.shape[1] > 1
        samples += len(f)
        rows += len(f) if classes else 0
        for name, (session, exact) in sessions.items():
            q = session.run([output], feed)[0].astype(np.float64)
            e = exact.run([output], feed)[0].astype(np.float64)
            sums[name] += ((f * f).sum(), ((f - q) ** 2).sum(), (q * q).sum(), (f * q).sum(), ((f - e) ** 2).sum())
            equal[name] += int((f.argmax(1) == q.argmax(1)).sum()) if classes else 0
    return {name: _fidelity(sums[name], equal[name] / rows if rows else None, samples) for name in models}


def _fidelity(sums: NDArray[np.float64], agreement: float | None, samples: int) -> Fidelity:
    ff, error, qq, fq, exact = sums.tolist()
    return Fidelity(_decibel(ff, error), _decibel(ff, exact), fq / max((ff * qq) ** 0.5, 1e-30), agreement, samples)


def _decibel(signal: float, error: float) -> float:
    return 10 * math.log10(max(signal, 1e-30) / max(error, 1e-30))


def latency(models: dict[str, Path], feed: Feed, rounds: int, threads: int) -> dict[str, list[float]]:
    """Milliseconds a run for each model and round. Rounds are interleaved and start with another
    model each time.
    """
    sessions = {name: open_session(path, threads) for name, path in models.items()}
    names = list(sessions)
    repeats = {}
    for name, session in sessions.items():
        session.run(None, feed)
        begin = time.perf_counter()
        session.run(None, feed)
        repeats[name] = max(1, min(50, round(0.01 / (time.perf_counter() - begin))))  # about 10 ms a slot
    times: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds):
        for index in range(len(names)):
            name = names[(turn + index) % len(names)]
            begin = time.perf_counter()
            for _ in range(repeats[name]):
                sessions[name].run(None, feed)
            times[name].append((time.perf_counter() - begin) / repeats[name] * 1e3)
    return times


def paired(a: Sequence[float], b: Sequence[float]) -> Ratio:
    """a / b round by round."""
    ratios = sorted(x / y for x, y in zip(a, b, strict=True))
    low, median, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    return Ratio(median, low, high)


def placement(model: Path) -> Placement:
    """Read onnxruntime's optimized graph back."""
    with tempfile.TemporaryDirectory() as folder:
        optimized = Path(folder) / "optimized.onnx"
        open_session(model, optimized=optimized)
        graph = onnx.load(optimized, load_external_data=False).graph
    nodes = list(_nodes(graph, {}))
    floats = [op for op, runs_float in nodes if op in FLOAT and runs_float]
    counts = " ".join(f"{op}:{floats.count(op)}" for op in sorted(set(floats)))
    integer = sum(op.startswith(INTEGER) for op, _ in nodes)
    return Placement(integer, len(floats), sum(op in QDQ for op, _ in nodes), counts)


def _nodes(graph: onnx.GraphProto, outer: dict[str, bool]) -> Iterator[tuple[str, bool]]:
    """Operator type of each node, bodies included, and whether its first input is float: a Concat
    or Pad may run on integers.

    The runtime writes no types of inner values: they follow from the graph's ends and from the
    operators that change them.
    """
    floating = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16)
    types = outer | {v.name: v.type.tensor_type.elem_type in floating for v in graph.input}
    types |= {t.name: t.data_type in floating for t in graph.initializer}
    for node in graph.node:
        runs_float = types.get(node.input[0], True) if node.input else True
        yield node.op_type, runs_float
        types |= dict.fromkeys(node.output, _makes_float(node, runs_float))
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from _nodes(attribute.g, types)


def _makes_float(node: onnx.NodeProto, reads_float: bool) -> bool:
    op = node.op_type
    if op == "QGemm":
        return len(node.input) < 9  # without the output's zero point
    if op in ("DequantizeLinear", "MatMulIntegerToFloat", "DynamicQuantizeMatMul", "MatMulNBits", "Cast"):
        return True
    return reads_float and op not in QDQ and not op.startswith("QLinear")
