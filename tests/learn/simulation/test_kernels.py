"""Codes of single operators in the simulation against onnxruntime's integer kernels, on grids where
many results lie halfway.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
import onnx.parser
import onnx_ir as ir
import pytest

torch = pytest.importorskip("torch", reason="torch (extra [learn]) is not installed")

from edgeq.learn.operators.quantized import QUANTIZED_OPERATORS  # noqa: E402
from edgeq.learn.simulation.executor import Executor  # noqa: E402
from edgeq.proof.read_back import read_back  # noqa: E402
from edgeq.runtimes.ort import open_session  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_torch_thread")

#: the operator, shapes of what it reads, and what the kernel is called
KERNELS = {
    "sum": ("Add(a, b)", ["2,16,9,8", "2,16,9,8"], "QLinearAdd"),
    "sum with one number a channel": ("Add(a, b)", ["2,16,9,8", "16,1,1"], "QLinearAdd"),
    "sum with a number": ("Add(a, b)", ["2,16,9,8", "1"], "QLinearAdd"),
    "a number and a tensor": ("Add(a, b)", ["1", "2,16,9,8"], "QLinearAdd"),
    "product": ("Mul(a, b)", ["2,16,9,8", "2,16,9,8"], "QLinearMul"),
    "product with a gate": ("Mul(a, b)", ["2,16,9,8", "2,16,1,1"], "QLinearMul"),
    "product of matrices": ("MatMul(a, b)", ["2,3,9,16", "2,3,16,8"], "QLinearMatMul"),
    "one behind the other": ("Concat<axis = 1>(a, b)", ["2,16,9,8", "2,3,9,8"], "QLinearConcat"),
    "sigmoid": ("Sigmoid(a)", ["2,16,9,8"], "QLinearSigmoid"),
    "leaky": ("LeakyRelu<alpha = 0.125>(a)", ["2,16,9,8"], "QLinearLeakyRelu"),
    "mean of all": ("GlobalAveragePool(a)", ["2,256,3,2"], "QLinearGlobalAveragePool"),
    "means of four": ("AveragePool<kernel_shape = [2, 2], strides = [2, 2]>(a)", ["2,16,8,8"], "QLinearAveragePool"),
    "means of nine": ("AveragePool<kernel_shape = [3, 3], pads = [1, 1, 1, 1]>(a)", ["2,16,8,8"], "QLinearAveragePool"),
}


def between_integers(call: str, shapes: Sequence[str], chance: np.random.Generator) -> onnx.ModelProto:
    """One operator of quantized values. Every other model has grids that stand in a simple ratio,
    which puts results halfway.
    """
    scales = chance.uniform(0.01, 0.05, 2)
    result = chance.choice([0.25, 0.5, 1.0, 2.0]) * (scales[0] * (scales[1] * 16 if call.startswith("M") else 1))
    if chance.random() < 0.5:
        scales[1], result = scales[0] * chance.choice([0.5, 1.0, 2.0]), result * chance.uniform(0.7, 1.5)
    grids = [(f"{scale:.9g}", int(zero)) for scale, zero in zip((*scales, result), chance.integers(0, 256, 3), strict=True)]
    kept = ", ".join(f"float {n}s = {{{scale}}}, uint8 {n}z = {{{zero}}}" for n, (scale, zero) in zip("abr", grids, strict=True))
    inputs = ", ".join(f"uint8[{shape}] {n}q" for n, shape in zip("ab", shapes, strict=False))
    reals = " ".join(f"{n} = DequantizeLinear({n}q, {n}s, {n}z)" for n, _ in zip("ab", shapes, strict=False))
    body = f"{{ {reals} r = {call} y = QuantizeLinear(r, rs, rz) }}"
    return onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": 17]> net ({inputs}) => (uint8[?,?,?,?] y) <{kept}> {body}')


@pytest.mark.parametrize("kernel", KERNELS)
def test_codes_are_those_of_the_kernel(kernel: str) -> None:
    call, shapes, name = KERNELS[kernel]
    chance = np.random.default_rng(0)
    for _ in range(20):
        model = ir.from_proto(between_integers(call, shapes, chance))
        assert name in {one.op_type for one in read_back(model).kernels.values()}
        sizes = {str(value.name): tuple(int(d) for d in value.shape or ()) for value in model.graph.inputs}
        feeds = {name: chance.integers(0, 256, size).astype(np.uint8) for name, size in sizes.items()}
        (exported,) = open_session(model, threads=1).run(feeds)
        simulated = Executor(model, QUANTIZED_OPERATORS).forward({name: torch.from_numpy(array) for name, array in feeds.items()})
        assert (simulated["y"].numpy() == exported).all()
