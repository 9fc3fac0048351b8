"""AbsorbActivations: the producer takes over the name, type and place of what is taken out."""

from __future__ import annotations

from edgeq.passes.quantize.absorb_activations import AbsorbActivations
from tests.graph_text import lines, net

CHAIN = "[a] c = Exp(x) [b] d = Relu(c) [e] f = Clip(d, low, high) [g] y = Neg(f)"
BOUNDS = {"low": 0.0, "high": 6.0}


def test_takes_named_nodes_out_and_keeps_the_last_name() -> None:
    model = net(CHAIN, constants=BOUNDS)
    assert AbsorbActivations({"b", "e"})(model).modified
    assert lines(model) == ["f = Exp(x)", "y = Neg(f)"]


def test_leaves_what_is_not_named() -> None:
    model = net(CHAIN, constants=BOUNDS)
    assert AbsorbActivations({"b"})(model).modified
    assert lines(model) == ["d = Exp(x)", "f = Clip(d, low, high)", "y = Neg(f)"]
    assert not AbsorbActivations({"b", "g"})(model).modified  # gone, and no activation


def test_a_graph_output_keeps_its_name_and_type() -> None:
    model = net("[a] c = Exp(x) [b] y = Relu(c)")
    AbsorbActivations({"b"})(model)
    assert lines(model) == ["y = Exp(x)"]
    (output,) = model.graph.outputs
    assert (output.name, output.dtype, list(output.shape or [])) == ("y", model.graph.inputs[0].dtype, [1, 8, 16, 16])


def test_walks_bodies() -> None:
    text = """y = If (go) < then_branch = t () => (float[2] tv) { [a] c = Exp(x) [b] tv = Relu(c) },
        else_branch = e () => (float[2] ev) { [d] ev = Relu(x) } >"""
    model = net(text, inputs="float[2] x, bool go", outputs="float[2] y")
    AbsorbActivations({"b"})(model)
    assert lines(model)[1:] == ["ev = Relu(x)", "tv = Exp(x)"] or lines(model)[1:] == ["tv = Exp(x)", "ev = Relu(x)"]


def test_a_shape_that_only_the_output_declares_stays() -> None:
    """Behind a Loop, inference knows no shapes; a graph output without one is no valid ONNX."""
    model = net("[a] c = Exp(x) [b] y = Relu(c)")
    model.graph.node(0).outputs[0].shape = None
    AbsorbActivations({"b"})(model)
    assert list(model.graph.outputs[0].shape or []) == [1, 8, 16, 16]
