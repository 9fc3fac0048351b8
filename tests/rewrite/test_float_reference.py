"""The float model as judge: a form of it is believed only if it is the same model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.rewrite.float_reference import FloatReference
from tests.graph_text import net, weights


def two_layers() -> ir.Model:
    return net(
        "a = MatMul(x, w)  r = Relu(a)  y = MatMul(r, v)  l = ArgMax<axis = 1, keepdims = 0>(y)",
        inputs="float[N, 8] x",
        outputs="float[N, 4] y, int64[N] l",
        constants={"w": weights(8, 8), "v": weights(8, 4)},
    )


def rename(model: ir.Model) -> None:
    model.graph.inputs[0].name = "other"


def reorder(model: ir.Model) -> None:
    model.graph.outputs.reverse()


def retype(model: ir.Model) -> None:
    model.graph.outputs[0].type = ir.TensorType(ir.DataType.FLOAT16)


def reshape(model: ir.Model) -> None:
    model.graph.inputs[0].shape = ir.Shape(["N", 9])


def declare(model: ir.Model) -> None:
    next(iter(model.graph)).outputs[0].shape = ir.Shape([3, 5, 7])


def disturb(model: ir.Model) -> None:
    value = model.graph.initializers["v"]
    value.const_value = ir.tensor(weights(8, 4) * np.float32(1.01), name="v")


def operator(model: ir.Model) -> None:
    next(node for node in model.graph if node.op_type == "Relu").op_type = "Rolu"


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (rename, "other inputs"),
        (reorder, "other outputs"),
        (retype, "output y has another type"),
        (reshape, "input x has shape [N,9] in place of [N,8]"),
        (declare, "onnx.checker refuses it"),
        (disturb, "it computes other values"),
        (operator, "onnx.checker refuses it"),
    ],
)
def test_what_is_not_the_same_model_is_named(damage: Callable[[ir.Model], None], says: str) -> None:
    form = two_layers()
    damage(form)
    assert says in str(FloatReference(two_layers()).disagreement(form))


def test_another_order_of_the_same_sums_is_the_same_model() -> None:
    form = net(
        "a = MatMul(x, w)  r = Relu(a)  y = Gemm(r, v)  l = ArgMax<axis = 1, keepdims = 0>(y)",
        inputs="float[N, 8] x",
        outputs="float[N, 4] y, int64[N] l",
        constants={"w": weights(8, 8), "v": weights(8, 4)},
    )
    assert FloatReference(two_layers()).disagreement(form) is None


def test_what_onnxruntime_refuses_is_not_believed_although_it_is_valid() -> None:
    """onnxruntime has no Sin of bfloat16 numbers."""
    plain = net("y = Sin(x)", inputs="float[4] x")
    form = net("d = Cast<to = 16>(x)  c = Sin(d)  y = Cast<to = 1>(c)", inputs="float[4] x", opset=22)
    assert "onnxruntime does not run it" in str(FloatReference(plain).disagreement(form))


def test_a_model_that_the_runtime_does_not_open_is_judged_by_the_rest() -> None:
    """onnxruntime does not know the operator, so no form of it can be run."""
    foreign = two_layers()
    foreign.graph.opset_imports["my.domain"] = 1
    first = next(iter(foreign.graph))
    first.domain, first.op_type = "my.domain", "MyMatMul"
    reference = FloatReference(foreign)
    assert reference.disagreement(foreign.clone()) is None
    assert not reference.opens
    form = foreign.clone()
    rename(form)
    assert "other inputs" in str(reference.disagreement(form))


def test_random_numbers_are_not_compared() -> None:
    model = net("r = RandomUniformLike(x)  y = Add(x, r)", inputs="float[4] x")
    assert FloatReference(model).disagreement(model.clone()) is None


def test_made_up_numbers_never_reach_a_kernel_that_dies_of_no_elements() -> None:
    """Noise chooses nothing here: onnxruntime's GRU of no steps ends the process by a signal."""
    model = net(
        "c = Greater(x, big)  k = NonZero(c)  f = Cast<to = 1>(k)  t = Transpose<perm = [1, 0]>(f)  u = Unsqueeze(t, axes)"
        "  h, y = GRU<hidden_size = 4>(u, w, r)",
        inputs="float[1, 8] x",
        outputs="float[A, B, C] y",
        constants={
            "big": np.array(1e9, np.float32), "axes": np.array([1]), "w": weights(1, 12, 2), "r": weights(1, 12, 4),
        },
    )  # fmt: skip
    reference = FloatReference(model)
    assert reference.disagreement(model.clone()) is None
    assert not reference.compares
