"""The law of passes: what every graph pass, of this project or of yours, is held to."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir

from edgeq.numerics.arrays import AnyArray
from edgeq.rewrite.made_up_run import random_feeds
from edgeq.rewrite.steps import Steps
from edgeq.runtimes.ort import Optimize, open_session
from edgeq.testing.law import Law


def check_pass(
    graph_pass: ir.passes.InPlacePass,
    model: ir.Model,
    *,
    feeds: Mapping[str, AnyArray] | None = None,
    tolerance: float | None = 1e-4,
) -> ir.Model:
    """Hold one pass to the law of passes on one model, and return what the pass made of it.

    1. Valid model in, valid model out (onnx's checker, shapes included).
    2. The inputs and outputs of the graph keep their names, types and order.
    3. The outputs keep their values. An initializer that was changed under another reader shows
       here.
    4. A pass that says that it modified nothing has changed no byte.
    5. A second run changes nothing, and says so. A body of If, Loop or Scan that was not walked at
       first shows here.
    6. A pass that names the operators that it is about (`only_for`) changes no model without one.

    model: named and with inferred shapes, as `edgeq.io.load` and the pass InferShapes leave it; the
    pass runs on a copy. feeds: an array for each input (default: seeded random numbers). tolerance:
    relative difference that the outputs may have, twenty times as much in float16; None for a pass
    that puts values on grids, whose outputs are not compared. Raises AssertionError with the number
    of the law and how it was broken.

    >>> import numpy as np
    >>> import onnx_ir as ir
    >>> from edgeq.passes.prepare.remove_identity import RemoveIdentity
    >>> from edgeq.testing import check_pass
    >>> model = ir.from_onnx_text(\"\"\"<ir_version: 8, opset_import: ["" : 17]>
    ... net (float[N, 2] x) => (float[N, 2] y) { [i] a = Identity(x)  [r] y = Relu(a) }\"\"\")
    >>> after = check_pass(RemoveIdentity(), model)
    >>> [node.op_type for node in model.graph], [node.op_type for node in after.graph]
    (['Identity', 'Relu'], ['Relu'])

    A pass that breaks the law is told which one it was:

    >>> class ReluToNeg(ir.passes.InPlacePass):
    ...     def call(self, model):
    ...         found = [node for node in model.graph if node.op_type == "Relu"]
    ...         for node in found:
    ...             node.op_type = "Neg"
    ...         return ir.passes.PassResult(model, bool(found))
    >>> check_pass(ReluToNeg(), model, feeds={"x": np.ones((1, 2), np.float32)})
    Traceback (most recent call last):
    AssertionError: law 3 of passes, outputs keep their values: ReluToNeg changes y by 2
    """
    law, name = Law("passes"), type(graph_pass).__name__
    own = model.clone()
    before = serialised(own)
    modified = graph_pass(own).modified
    law.holds(4, "what is not modified is unchanged", modified or serialised(own) == before, f"{name} changed the model")
    _is_about(law, name, model, graph_pass, modified)
    law.is_valid(1, own, name)
    _keeps_interface(law, name, model, own)
    if modified and tolerance is not None:
        _same_values(law, name, model, own, random_feeds(model, size=4) if feeds is None else feeds, tolerance)
    after = serialised(own)
    again = graph_pass(own).modified
    law.holds(5, "a second run changes nothing", not again and serialised(own) == after, f"{name} finds work in its own result")
    return own


def interface(model: ir.Model) -> list[tuple[str | None, ir.DataType | None]]:
    """Name and type of each input and output of the graph, in order."""
    return [(value.name, value.dtype) for value in (*model.graph.inputs, *model.graph.outputs)]


def serialised(model: ir.Model) -> bytes:
    """The bytes of the model; equal models have equal bytes."""
    return bytes(ir.to_proto(model).SerializeToString(deterministic=True))


def outputs(model: ir.Model, feeds: Mapping[str, AnyArray], optimize: Optimize = "off") -> list[AnyArray]:
    """What onnxruntime computes, every output in order; with its optimizations off, what the file
    says.
    """
    with open_session(model, optimize=optimize, threads=1) as session:
        return session.run(feeds)


def _is_about(law: Law, name: str, model: ir.Model, graph_pass: ir.passes.InPlacePass, modified: bool) -> None:
    about = Steps(model).concern(graph_pass)
    law.holds(6, "a pass is about the operators that it names", about or not modified, f"{name} changed a model without them")


def _keeps_interface(law: Law, name: str, before: ir.Model, after: ir.Model) -> None:
    kept = interface(after) == interface(before)
    law.holds(2, "inputs and outputs are kept", kept, f"{name} makes {interface(after)} of {interface(before)}")


def _same_values(law: Law, name: str, before: ir.Model, after: ir.Model, feeds: Mapping[str, AnyArray], tolerance: float) -> None:
    words = "outputs keep their values"
    names = [value.name for value in before.graph.outputs]
    for output, want, got in zip(names, outputs(before, feeds), outputs(after, feeds), strict=True):
        law.holds(3, words, want.shape == got.shape, f"{name} makes {output} {got.shape} of {want.shape}")
        wanted, found = want.astype(np.float64), got.astype(np.float64)
        allowed = tolerance * (20 if want.dtype == np.float16 else 1)
        far = float(np.abs(wanted - found).max(initial=0.0))
        law.holds(3, words, np.allclose(found, wanted, rtol=allowed, atol=1e-6, equal_nan=True), f"{name} changes {output} by {far:.3g}")
