"""DropExporterNotes: stack traces and source paths of exporters go, the user's own words stay."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.api import quantize
from edgeq.passes.store.drop_exporter_notes import DropExporterNotes
from edgeq.testing import check_pass
from tests.graph_text import net, weights

TRACE = 'File "/home/someone/secret/net.py", line 12, in forward\n    return self.conv(x)'
SCOPES = "/home/someone/secret/net.py(12): forward\n/usr/lib/python3/torch/nn/module.py(1511): _call_impl"


def exported() -> ir.Model:
    """A model as torch's two exporters leave it, with some words of its user."""
    body = "[conv] a = Conv<pads = [1, 1, 1, 1]>(x, w) [choice] y = If(c) <then_branch = t () => (float[1, 8, 16, 16] tv) "
    body += "{ [inner] tv = Relu(a) }, else_branch = e () => (float[1, 8, 16, 16] ev) { [other] ev = Abs(a) }>"
    model = net(body, inputs="float[1, 8, 16, 16] x, bool c", constants={"w": weights(8, 8, 3, 3)})
    for node in model.graph.all_nodes():
        node.metadata_props["pkg.torch.onnx.stack_trace"] = TRACE
        node.metadata_props["namespace"] = ": net.Net/conv: torch.nn.Conv2d"
        node.doc_string = SCOPES
        for value in node.outputs:
            value.metadata_props["pkg.torch.onnx.original_node_name"] = "conv2d"
    model.graph.metadata_props["pkg.torch.export.graph_signature"] = "inputs: x"
    model.graph.doc_string = "a net for small images"
    model.graph.inputs[0].metadata_props["trace"] = TRACE
    model.graph.inputs[0].doc_string = "an image between 0 and 1"
    model.graph.initializers["w"].doc_string = SCOPES
    model.metadata_props.update({"names": "{0: 'cat'}", "origin": "/data/train.py of ours", "pkg.torch.onnx.version": "2"})
    model.doc_string = "labels in names"
    return model


def test_notes_go_from_every_level_and_the_users_words_stay() -> None:
    done = check_pass(DropExporterNotes(), exported(), tolerance=0.0)
    text = str(ir.to_proto(done))
    assert not any(word in text for word in ("someone", "pkg.", "namespace", "original_node_name"))
    assert done.metadata_props == {"names": "{0: 'cat'}", "origin": "/data/train.py of ours"}
    assert (done.doc_string, done.graph.doc_string) == ("labels in names", "a net for small images")
    assert done.graph.inputs[0].doc_string == "an image between 0 and 1"


@pytest.mark.parametrize("doc", ["C:\\work\\net.py(3): forward", "torch/nn/conv.py:456", "built from /build/src/net.cc"])
def test_a_graph_text_that_names_source_files_goes(doc: str) -> None:
    model = exported()
    model.graph.doc_string = doc
    DropExporterNotes()(model)
    assert not model.graph.doc_string


def test_a_clean_model_is_unchanged() -> None:
    assert not DropExporterNotes()(net("y = Relu(x)")).modified


def test_the_int8_file_holds_none() -> None:
    data = {"x": np.random.default_rng(0).normal(size=(8, 1, 8, 16, 16)).astype(np.float32), "c": np.ones(8, bool)}
    made = quantize(exported(), data, prove=False).model
    text = str(ir.to_proto(made))
    assert "someone" not in text
    assert made.metadata_props["names"] == "{0: 'cat'}"
    assert made.doc_string == "labels in names"
