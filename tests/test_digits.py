"""The data set and the model that edgeq ships: what they hold, and that the model is as good as it
should be.
"""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime

from edgeq.data.open import open_dataset, shipped_model, shipped_sets
from edgeq.data.set_toml import read_set
from edgeq.data.shipped import shipped_folder
from edgeq.graph.signature import InputSpec, input_specs
from edgeq.metrics.metric import TOP1

SPECS = (InputSpec("image", "float32", ("N", 1, 16, 16)),)


def test_digits_is_shipped() -> None:
    assert "digits" in shipped_sets()
    assert input_specs(ir.load(shipped_model("digits"))) == SPECS


def test_model_is_small_and_has_what_edge_networks_have() -> None:
    path = shipped_model("digits")
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert path.stat().st_size < 200_000
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 17)]
    kinds = {node.op_type for node in model.graph.node}
    assert {"Conv", "BatchNormalization", "Relu", "HardSwish", "Add", "Concat", "GlobalAveragePool", "Gemm"} <= kinds
    groups = [attribute.i for node in model.graph.node for attribute in node.attribute if attribute.name == "group"]
    assert max(groups) > 1  # a depthwise Conv
    names = [node.name for node in model.graph.node]
    assert len(set(names)) == len(names)


def test_folder_is_small_and_says_its_licence() -> None:
    folder = shipped_folder("digits")
    assert sum(path.stat().st_size for path in folder.iterdir()) < 500_000
    assert read_set(folder / "set.toml").licence.startswith("CC BY 4.0")
    assert "Creative Commons Attribution 4.0" in (folder / "LICENSE").read_text(encoding="utf-8")


def test_splits_share_no_image() -> None:
    splits = [open_dataset("digits", SPECS, split=name) for name in ("calibration", "evaluation")]
    assert [data.count for data in splits] == [128, 597]
    seen, unseen = ({row.tobytes() for row in data.complete_survey().digests} for data in splits)
    assert not seen & unseen
    assert all(data.labels is not None and set(data.labels.tolist()) == set(range(10)) for data in splits)


def test_float_model_reaches_its_accuracy() -> None:
    session = onnxruntime.InferenceSession(str(shipped_model("digits")), providers=["CPUExecutionProvider"])
    data = open_dataset("digits", SPECS, split="evaluation")
    assert (data.metric, data.name) == (TOP1, "digits")
    logits = np.concatenate([session.run(["logits"], batch.feeds)[0] for batch in data.batches(64)])
    assert data.labels is not None
    assert (logits.argmax(1) == data.labels).mean() > 0.99
