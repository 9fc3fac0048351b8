"""Every pass that keeps the values of a float model keeps the law of passes (`check_pass`), on
every model of edgeq.testing.pass_models.
"""

from __future__ import annotations

import onnx_ir as ir
import pytest

from edgeq.io.load import load_proto
from edgeq.passes.lower.average_to_global_pool import AverageToGlobalPool
from edgeq.passes.lower.deconv_to_conv import DeconvToConv
from edgeq.passes.lower.flatten_to_gemm import FlattenToGemm
from edgeq.passes.lower.functions_on_rows import FunctionsOnRows
from edgeq.passes.lower.pad_all_axes import PadAllAxes
from edgeq.passes.lower.plain_average_pool import PlainAveragePool
from edgeq.passes.lower.resize_all_axes import ResizeAllAxes
from edgeq.passes.lower.resize_planes import ResizePlanes
from edgeq.passes.lower.shuffle_to_gather import ShuffleToGather
from edgeq.passes.lower.split_center_crop_pad import SplitCenterCropPad
from edgeq.passes.lower.split_division import SplitDivision
from edgeq.passes.lower.split_hardsigmoid import SplitHardSigmoid
from edgeq.passes.lower.split_hardswish import SplitHardSwish
from edgeq.passes.lower.split_layer_norm import SplitLayerNorm
from edgeq.passes.lower.split_power import SplitPower
from edgeq.passes.lower.split_prelu import SplitPRelu
from edgeq.passes.lower.sum_to_mean import SumToMean
from edgeq.passes.lower.unit_axis import UnitAxis
from edgeq.passes.prepare.cancel_transposes import CancelTransposes
from edgeq.passes.prepare.compute_in_float32 import ComputeInFloat32
from edgeq.passes.prepare.convert_opset import ConvertOpset
from edgeq.passes.prepare.fold_affine import FoldAffine
from edgeq.passes.prepare.fold_batch_norm import FoldBatchNorm
from edgeq.passes.prepare.fold_batch_norm_forward import FoldBatchNormForward
from edgeq.passes.prepare.fold_constants import FoldConstants
from edgeq.passes.prepare.fold_shapes import FoldShapes
from edgeq.passes.prepare.infer_shapes import InferShapes
from edgeq.passes.prepare.join_affine import JoinAffine
from edgeq.passes.prepare.lift_constants import LiftConstants
from edgeq.passes.prepare.lower_batch_norm import LowerBatchNorm
from edgeq.passes.prepare.matmul_add_to_gemm import MatMulAddToGemm
from edgeq.passes.prepare.mean_to_global_pool import MeanToGlobalPool
from edgeq.passes.prepare.plain_gemm import PlainGemm
from edgeq.passes.prepare.recognize.einsum_to_matmul import EinsumToMatMul
from edgeq.passes.prepare.recognize.fuse_functions import FuseFunctions
from edgeq.passes.prepare.recognize.fuse_norms import FuseNorms
from edgeq.passes.prepare.remove_identity import RemoveIdentity
from edgeq.passes.prepare.remove_unread import RemoveUnread
from edgeq.passes.prepare.sum_to_adds import SumToAdds
from edgeq.rewrite.made_up_run import random_feeds
from edgeq.testing import check_pass
from edgeq.testing.pass_models import TEXTS, law_model, named_model

#: every pass that keeps the values of a float model; add new ones here
PASSES: tuple[ir.passes.InPlacePass, ...] = (
    AverageToGlobalPool(),
    CancelTransposes(),
    ComputeInFloat32(),
    ConvertOpset(),
    DeconvToConv(),
    EinsumToMatMul(),
    FlattenToGemm(),
    FunctionsOnRows(),
    FoldAffine(),
    FoldBatchNorm(),
    FoldBatchNormForward(),
    FoldConstants(),
    FoldShapes(),
    FuseFunctions(),
    FuseNorms(),
    InferShapes(),
    JoinAffine(),
    LiftConstants(),
    LowerBatchNorm(),
    MatMulAddToGemm(),
    MeanToGlobalPool(),
    PadAllAxes(),
    PlainAveragePool(),
    PlainGemm(),
    RemoveIdentity(),
    RemoveUnread(),
    ResizeAllAxes(),
    ResizePlanes(),
    ShuffleToGather(),
    SplitCenterCropPad(),
    SplitDivision(),
    SplitHardSigmoid(),
    SplitHardSwish(),
    SplitLayerNorm(),
    SplitPower(),
    SplitPRelu(),
    SumToAdds(),
    SumToMean(),
    UnitAxis(),
)


@pytest.mark.parametrize("name", TEXTS)
def test_laws(name: str) -> None:
    model = named_model(name)
    feeds = random_feeds(model, size=4)
    for graph_pass in PASSES:
        check_pass(graph_pass, model, feeds=feeds)


def test_every_pass_finds_work_in_some_model() -> None:
    """Otherwise the laws above would hold for a pass that does nothing."""
    fresh = {step: (lambda name: load_proto(law_model(name)).model) if step == InferShapes() else named_model for step in PASSES}
    idle = [step for step in PASSES if not any(step(fresh[step](name)).modified for name in TEXTS)]
    assert idle == []
