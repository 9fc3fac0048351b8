"""What the integer kernels of a target cannot compute, though it names the operator."""

from __future__ import annotations

import pytest

from edgeq.api import quantize
from edgeq.errors import UnsupportedOp
from edgeq.planning.kernel_fit import obstacle
from edgeq.schema.recipe import Recipe
from edgeq.schema.target import load_target
from edgeq.testing.case import Case, ints
from edgeq.testing.operator_nets import build, data_for


def resize(attributes: str) -> Case:
    return Case("resize", f"[op] b = Resize<{attributes}>(a, , , s)", {"s": ints(2, 8, 12, 9)})


@pytest.mark.parametrize(
    ("attributes", "why"),
    [
        ('mode = "cubic"', "cubic"),
        ('mode = "cubic", coordinate_transformation_mode = "align_corners"', "cubic"),
        ('mode = "linear", coordinate_transformation_mode = "half_pixel_symmetric"', "half_pixel_symmetric"),
    ],
)
def test_a_resize_without_a_kernel_is_refused_before_anything_is_measured(attributes: str, why: str) -> None:
    case = Case("resize", resize(attributes).nodes, resize(attributes).constants, opset=19)
    with pytest.raises(UnsupportedOp, match=why) as refused:
        quantize(build(case), data_for(case), target="mcu_tflite", recipe=Recipe(effort="fast"), prove=False)
    assert "Resize (op)" in refused.value.where


@pytest.mark.parametrize(
    "attributes", ['mode = "linear"', 'mode = "nearest"', 'mode = "linear", coordinate_transformation_mode = "asymmetric"']
)
def test_other_modes_have_a_kernel(attributes: str) -> None:
    import onnx_ir as ir

    model = ir.from_proto(build(resize(attributes)))
    (node,) = (node for node in model.graph if node.op_type == "Resize")
    assert obstacle(node, load_target("mcu_tflite")) is None
