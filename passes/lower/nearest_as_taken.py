"""Write a Resize of mode nearest with the attributes that a target takes, if pixels stay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import onnx_ir as ir

from edgeq.graph.forms.attributes import attribute
from edgeq.graph.forms.resize import COORDINATES, ROUNDING, selects_alike
from edgeq.graph.read import is_op, nodes


@dataclass(frozen=True)
class NearestAsTaken(ir.passes.InPlacePass):
    """Change how a Resize of mode nearest computes coordinates, where it selects the same pixels.

    ONNX has five kinds of coordinates and four roundings; runtimes have three or four pairs of
    them. For scale 2 most pairs select the same.

    Before:  y = Resize <coordinate_transformation_mode = "pytorch_half_pixel"> (x, , s)
    After:   y = Resize <coordinate_transformation_mode = "asymmetric", nearest_mode = "floor">
                 (x, , s)                                     s: [1, 1, 2, 2]
    """

    #: coordinate_transformation_mode and nearest_mode that are taken, the preferred pair first
    taken: tuple[tuple[str, str], ...]

    only_for: ClassVar[tuple[str, ...]] = ("Resize",)

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        modified = False
        for node in nodes(model):
            if not is_op(node, "Resize") or attribute(node, "mode") != "nearest":
                continue
            if (attribute(node, COORDINATES), attribute(node, ROUNDING)) in self.taken:
                continue
            chosen = next((pair for pair in self.taken if selects_alike(node, *pair)), None)
            if chosen is not None:
                for name, word in zip((COORDINATES, ROUNDING), chosen, strict=True):
                    node.attributes[name] = ir.AttrString(name, word)
                modified = True
        return ir.passes.PassResult(model, modified)
