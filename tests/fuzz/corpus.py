"""What edgeq's own commands wrote for one small model: the files whose damage is tried."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from random import Random

import numpy as np
import onnx
from onnx import numpy_helper

from edgeq.cli.main import main
from edgeq.numerics.arrays import F32
from tests.fuzz.supervisor import Limits, run
from tests.fuzz.valid.data_files import Files, npz_for
from tests.fuzz.valid.models import feeds_of

_NET = """<ir_version: 8, opset_import: ["": 13]>
net (float[N, 3, 8, 8] x) => (float[N, 5] y) {
  [conv] c = Conv<pads = [1, 1, 1, 1]>(x, w, b)
  [relu] r = Relu(c)
  [pool] p = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(r)
  [more] d = Conv(p, v)
  [sum] s = Add(d, d)
  [flat] f = Flatten(s)
  [fc] y = Gemm(f, k)
}"""
#: each line is a command that reads what those before it wrote
_COMMANDS = (
    "quantize model.onnx -d data.npz --effort fast -o int8.onnx",
    "calibrate model.onnx -d data.npz -o stats.npz",
    "calibrate model.onnx -d data.npz --no-hold-out --range 0:3 -o a.stats.npz",
    "calibrate model.onnx -d data.npz --no-hold-out --range 3:8 -o b.stats.npz",
    "palettize model.onnx --bits 2 -o codebooks.onnx",
    "quantize model.onnx -d data.npz -t npu_int8 --effort fast --golden 1 -o chip.onnx",
)
_TFLITE = "quantize model.onnx -d data.npz -t mcu_tflite --effort fast --no-prove -o lite.tflite"
_TRAINED = "finetune model.onnx -d data.npz --prefer integers --epochs 1 --no-prove -o tuned.onnx --keep run.ckpt"


def _model() -> onnx.ModelProto:
    proto = onnx.parser.parse_model(_NET)
    numbers = np.random.default_rng(0)
    sizes = {"w": (4, 3, 3, 3), "b": (4,), "v": (4, 4, 2, 2), "k": (36, 5)}
    proto.graph.initializer.extend(
        numpy_helper.from_array(numbers.normal(size=size).astype(np.float32), name) for name, size in sizes.items()
    )
    return proto


def build_corpus(folder: Path) -> Files:
    """Run the commands, each in a process of its own; the files by name. Raises RuntimeError."""
    model = _model()
    work = folder / "run"
    work.mkdir(parents=True)
    (work / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))
    (work / "data.npz").write_bytes(npz_for(Random(0), feeds_of(model), 8))
    lines = [*_COMMANDS]
    if find_spec("tflite"):
        lines.append(_TFLITE)
    if find_spec("torch"):
        lines.append(_TRAINED)
    for line in lines:
        end = run(folder, _command(line), Limits(seconds=120))
        if end.code != 0:
            raise RuntimeError(f"edgeq {line} ended with {end.code}: {end.stderr[-1000:]}")
    end = run(folder, _by_onnxruntime(model), Limits(seconds=120))
    if end.code != 0:
        raise RuntimeError(f"onnxruntime's quantizer ended with {end.code}: {end.stderr[-1000:]}")
    return {path.relative_to(work).as_posix(): path.read_bytes() for path in sorted(work.rglob("*")) if path.is_file()}


def _by_onnxruntime(model: onnx.ModelProto) -> Callable[[], int]:
    """The other form of quantized models, as onnxruntime's own quantizer writes it."""

    def work() -> int:
        from onnxruntime.quantization import QuantFormat, quantize_static

        quantize_static(model, "foreign.onnx", _Samples(), quant_format=QuantFormat.QOperator, per_channel=True)
        return 0

    return work


class _Samples:
    """Two samples, in the form that onnxruntime's quantizer asks for."""

    def __init__(self) -> None:
        self._left = 2

    def get_next(self) -> dict[str, F32] | None:
        self._left -= 1
        return {"x": np.full((1, 3, 8, 8), self._left + 0.5, np.float32)} if self._left >= 0 else None


def _command(line: str) -> Callable[[], int]:
    return lambda: main([*line.split(), "--quiet"])
