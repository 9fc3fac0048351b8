"""FuseHardSwish: all decomposed forms, none of the look-alikes, and only where the operator exists."""

from __future__ import annotations

from edgeq.graph import nodes
from edgeq.passes.fuse_hardswish import FuseHardSwish
from tests.test_pass_fold_batch_norm import lines, shaped


def test_fuses_every_form() -> None:
    model = shaped("hardswish_forms")
    assert FuseHardSwish()(model).modified
    assert lines(model) == ["y = HardSwish(x)", "z = HardSwish(x)", "u = HardSwish(x)"]


def test_leaves_look_alikes() -> None:
    assert not FuseHardSwish()(shaped("hardswish_look_alikes")).modified


def test_waits_for_opset_14() -> None:
    model = shaped("hardswish_forms")
    model.graph.opset_imports[""] = 13
    assert not FuseHardSwish()(model).modified
    assert "HardSwish" not in {node.op_type for node in nodes(model)}
