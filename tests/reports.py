"""A report with everything in it, for tests of its faces, and text as a terminal shows it."""

from __future__ import annotations

import json
import math
from typing import Any

from rich.console import Console, RenderableType

from edgeq.proof.compare import Accuracy, Comparison, OutputFidelity
from edgeq.proof.latency import Latency
from edgeq.proof.layer_fidelity import LayerFidelity
from edgeq.proof.node_rows import ProvenNode
from edgeq.proof.proof import Proof
from edgeq.report.headline import fidelity_of
from edgeq.report.judging import StepSqnr
from edgeq.report.port import Port
from edgeq.report.report import Report
from edgeq.report.run_facts import DataInfo, Sizes, Times
from edgeq.schema.recipe import Recipe

NODES = (
    ProvenNode("stem/conv", "Conv", "int8", "QLinearConv", 1_000_000),
    ProvenNode("stem/relu", "Relu", "vanished", "fused into stem/conv", 0),
    ProvenNode("head/softmax[0]", "Softmax", "float", "cpu has no integer kernel for Softmax", 0),
    ProvenNode("head/exp", "Exp", "float", "cpu has no integer kernel for Exp <b>", 0),
    *(ProvenNode(f"mask_{i}", "Exp", "float", "cpu has no integer kernel for Exp <b>", 0) for i in range(6)),
)


def full_report(ratio: float = 0.5, sqnr_db: float = 31.25) -> Report:
    """Every part is there; ratio: int8 time over float time."""
    return Report(
        model="models/net<script>.onnx",
        data=DataInfo("calib.npz", "d" * 64, 100),
        target="cpu",
        recipe=Recipe(),
        rule="mse",
        versions={"edgeq": "0.2.0", "onnxruntime": "1.32.0"},
        size=Sizes(1_234_567, 345_678),
        time_s=Times(0.5, 1.25, 0.125, 0.25, 4.0),
        peak_rss_mb=321.5,
        placement=Proof(NODES, 1, 8, 2, 0, 100.0),
        fidelity=fidelity_of(Comparison((OutputFidelity("scores", sqnr_db, 0.9995, 0.1, 0.985),), 900, None)),
        accuracy=Accuracy("top1", 0.9, 0.89),
        steps=(StepSqnr("ranges (mse)", sqnr_db),),
        layers=(LayerFidelity("head/exp", "Exp", -math.inf), LayerFidelity("stem/conv", "Conv", 28.0)),
        latency=Latency(2.0, 2.0 * ratio, ratio, 1, 1, 200, 0.03, ratio),
        inputs=(Port("input.1", "float32", ("N", 3, 32, 32), "uint8", 0.0173, 114),),
        outputs=(Port("scores", "float32", ("N", 10), "uint8", 0.1, 3),),
        gate="failed",
        missed=("SQNR 31.2 dB is below the floor of 40 dB",),
        warnings=("The data has only 4 samples.",),
    )


def document(page: str) -> Any:
    """The document that a page draws."""
    return json.loads(page.split('id="document">')[1].split("</script>")[0])


def plain_text(renderable: RenderableType, width: int = 80) -> str:
    """`renderable` as text without escape codes."""
    console = Console(width=width, no_color=True, highlight=False, force_terminal=False)
    with console.capture() as captured:
        console.print(renderable, crop=False)
    return captured.get()
