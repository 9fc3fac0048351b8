"""What the adapters of old operators share: the model that is raised, and a refusal in words."""

from __future__ import annotations

from dataclasses import dataclass

import onnx
import onnx_ir as ir

from edgeq.errors import UnsupportedOpset
from edgeq.graph.edit import Names
from edgeq.graph.read import constant, rank
from edgeq.numerics.arrays import AnyArray


@dataclass(frozen=True, eq=False)
class Raising:
    """A model on its way from an old opset."""

    #: the model, which the adapters change in place
    model: ir.Model
    #: the file, for messages
    where: str
    #: the opset that its nodes were written in
    version: int
    #: the names in use
    names: Names

    def schema(self, node: ir.Node) -> onnx.defs.OpSchema:
        """The operator as it was in the model's own opset; onnx.checker has found it before."""
        return onnx.defs.get_schema(node.op_type, self.version, "")

    def constant(self, node: ir.Node, index: int, what: str) -> AnyArray:
        """An operand that the newer operator takes as an attribute, or in another form."""
        found = constant(node.inputs[index]) if index < len(node.inputs) else None
        if found is None:
            raise self.refusal(node, f"{what} is computed, and only a constant can be carried over")
        return found

    def rank(self, node: ir.Node, index: int) -> int:
        """The number of dimensions of an input, which the older operator did not need to know."""
        found = rank(node.inputs[index])
        if found is None:
            raise self.refusal(node, f"the number of dimensions of its input {node.inputs[index].name!r} is not known")  # type: ignore[union-attr]
        return found

    def refusal(self, node: ir.Node, why: str) -> UnsupportedOpset:
        """The error for a node that opset 7 cannot express."""
        return UnsupportedOpset(
            f"{node.op_type} of opset {self.version} cannot be said in opset 7: {why}",
            f"{self.where}, node {node.name}",
            "Export the model again with opset 7 or newer, for example 17.",
        )
