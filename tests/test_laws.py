"""The laws that every pass keeps, on every model of law_models.py.

Valid model in, valid model out; the same inputs and outputs; the same values; a second run changes
nothing, nor does one that says so. A shared initializer that changed under another reader, or a
body that was not walked, shows as other values or as a second run that still finds work.
"""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from edgeq.io.load import load_proto
from edgeq.numerics.arrays import AnyArray
from edgeq.passes.lower.average_to_global_pool import AverageToGlobalPool
from edgeq.passes.lower.flatten_to_gemm import FlattenToGemm
from edgeq.passes.lower.pad_all_axes import PadAllAxes
from edgeq.passes.lower.plain_average_pool import PlainAveragePool
from edgeq.passes.lower.split_hardsigmoid import SplitHardSigmoid
from edgeq.passes.lower.split_hardswish import SplitHardSwish
from edgeq.passes.lower.unit_axis import UnitAxis
from edgeq.passes.prepare.compute_in_float32 import ComputeInFloat32
from edgeq.passes.prepare.convert_opset import ConvertOpset
from edgeq.passes.prepare.fold_affine import FoldAffine
from edgeq.passes.prepare.fold_batch_norm import FoldBatchNorm
from edgeq.passes.prepare.fold_batch_norm_forward import FoldBatchNormForward
from edgeq.passes.prepare.fold_constants import FoldConstants
from edgeq.passes.prepare.fold_shapes import FoldShapes
from edgeq.passes.prepare.fuse_hardswish import FuseHardSwish
from edgeq.passes.prepare.infer_shapes import InferShapes
from edgeq.passes.prepare.lift_constants import LiftConstants
from edgeq.passes.prepare.lower_batch_norm import LowerBatchNorm
from edgeq.passes.prepare.matmul_add_to_gemm import MatMulAddToGemm
from edgeq.passes.prepare.mean_to_global_pool import MeanToGlobalPool
from edgeq.passes.prepare.remove_identity import RemoveIdentity
from edgeq.passes.prepare.remove_unread import RemoveUnread
from edgeq.rewrite.simplify import random_feeds
from edgeq.runtimes.ort import Optimize, open_session
from tests.law_models import TEXTS, law_model

#: every pass that keeps the values of a float model; add new ones here
PASSES: tuple[ir.passes.InPlacePass, ...] = (
    AverageToGlobalPool(),
    ComputeInFloat32(),
    ConvertOpset(),
    FlattenToGemm(),
    FoldAffine(),
    FoldBatchNorm(),
    FoldBatchNormForward(),
    FoldConstants(),
    FoldShapes(),
    FuseHardSwish(),
    InferShapes(),
    LiftConstants(),
    LowerBatchNorm(),
    MatMulAddToGemm(),
    MeanToGlobalPool(),
    PadAllAxes(),
    PlainAveragePool(),
    RemoveIdentity(),
    RemoveUnread(),
    SplitHardSigmoid(),
    SplitHardSwish(),
    UnitAxis(),
)


def named(name: str) -> ir.Model:
    """The model as passes meet it: loaded, with shapes."""
    model = load_proto(law_model(name)).model
    InferShapes()(model)
    return model


def interface(model: ir.Model) -> list[tuple[str | None, ir.DataType | None]]:
    return [(value.name, value.dtype) for value in (*model.graph.inputs, *model.graph.outputs)]


def serialised(model: ir.Model) -> bytes:
    return bytes(ir.to_proto(model).SerializeToString(deterministic=True))


def outputs(model: ir.Model, feeds: dict[str, AnyArray], optimize: Optimize = "off") -> list[AnyArray]:
    with open_session(model, optimize=optimize, threads=1) as session:
        return session.run(feeds)


@pytest.mark.parametrize("name", TEXTS)
def test_laws(name: str) -> None:
    start = named(name)
    feeds = random_feeds(start, size=4)
    wanted = outputs(start, feeds)
    for step in PASSES:
        model = named(name)
        if not step(model).modified:
            assert serialised(model) == serialised(start), step
            continue
        onnx.checker.check_model(ir.to_proto(model), full_check=True)
        assert interface(model) == interface(start), step
        for want, got in zip(wanted, outputs(model, feeds), strict=True):
            tolerance = 2e-3 if want.dtype == np.float16 else 1e-4
            np.testing.assert_allclose(got.astype(np.float64), want.astype(np.float64), rtol=tolerance, atol=1e-6)
        after = serialised(model)
        assert not step(model).modified, step
        assert serialised(model) == after, step


def test_every_pass_finds_work_in_some_model() -> None:
    """Otherwise the laws above would hold for a pass that does nothing."""
    fresh = {step: (lambda name: load_proto(law_model(name)).model) if step == InferShapes() else named for step in PASSES}
    idle = [step for step in PASSES if not any(step(fresh[step](name)).modified for name in TEXTS)]
    assert idle == []
