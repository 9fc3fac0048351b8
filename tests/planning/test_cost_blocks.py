"""MatMulNBits where the figures of machines say that it is faster: few rows, known sizes."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.passes.prepare.infer_shapes import InferShapes
from edgeq.planning.cost.blocks import FEW_ROWS, faster_in_blocks
from edgeq.planning.cost.price import Prices
from edgeq.planning.cost.works import Works
from edgeq.schema.cost import Column, Figures, KernelCost
from edgeq.schema.target import load_target
from tests.graph_text import net

FLOAT = Figures(call=1000, mac=0.02, weight=0.1)


def _machine(blocks: Figures | None, batch: int = 1) -> Prices:
    kinds = {"Gemm": KernelCost(integer=FLOAT, float=FLOAT), "MatMul": KernelCost(integer=FLOAT, float=FLOAT)}
    return Prices(load_target("cpu"), "one", Column(machine="one", kinds=kinds, blocks=blocks, source="made up"), Works(batch))


def _node(rows: str, text: str = "y = MatMul(x, w)") -> ir.Node:
    model = net(text, inputs=f"float[{rows}, 256] x", outputs="float y", constants={"w": np.zeros((256, 256), np.float32)})
    InferShapes()(model)
    return model.graph[0]


CHEAP, DEAR = Figures(mac=0.02, weight=0.02), Figures(mac=0.02, weight=0.2)


@pytest.mark.parametrize(
    ("rows", "blocks", "faster"),
    [("1", CHEAP, True), ("1", DEAR, False), ("1", None, False), (f"{FEW_ROWS}", CHEAP, True), (f"{FEW_ROWS + 1}", CHEAP, False)],
)
def test_few_rows_and_figures_decide(rows: str, blocks: Figures | None, faster: bool) -> None:
    assert faster_in_blocks(_node(rows), [_machine(blocks)]) == faster


def test_every_machine_has_to_be_faster() -> None:
    assert not faster_in_blocks(_node("1"), [_machine(CHEAP), _machine(DEAR)])
    assert not faster_in_blocks(_node("1"), [_machine(CHEAP), _machine(None)])
    assert not faster_in_blocks(_node("1"), [])


def test_an_open_number_of_rows_is_not_few() -> None:
    assert not faster_in_blocks(_node("1, T"), [_machine(CHEAP)])


def test_an_open_batch_counts_as_the_samples_of_a_call() -> None:
    assert faster_in_blocks(_node("N"), [_machine(CHEAP)])
    assert not faster_in_blocks(_node("N"), [_machine(CHEAP, batch=32)])


def test_the_shipped_machines_know_the_kernel() -> None:
    target = load_target("cpu")
    assert target.cost is not None
    assert all(column.blocks is not None for column in target.cost.columns.values())
