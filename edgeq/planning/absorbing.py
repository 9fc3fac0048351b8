"""Which Relu and Clip the grid of their producer's output takes over."""

from __future__ import annotations

from collections.abc import Container, Mapping

import onnx_ir as ir

from edgeq.graph.read import clip_bounds, is_op
from edgeq.planning.cut.placement_cut import GraphCut


class Absorbing:
    """The Relus and Clips of a graph whose bounds a grid holds by itself."""

    def __init__(self, cut: GraphCut, blunt: Container[str], fills: Mapping[ir.Value, tuple[float, float]]) -> None:
        """blunt: see placement.place. fills: of movement_fit.fills_behind."""
        self._cut, self._blunt, self._fills = cut, blunt, fills
        #: of a Relu behind another, the first decides: a chain is asked once for each
        self._known: dict[ir.Node, bool] = {}

    def absorbs(self, node: ir.Node) -> bool:
        """Whether its input is read by nothing else and is requantized where it is produced.

        The grid has to end at its bounds: it always holds 0, and the fill of a Pad behind it. Asked
        of the nodes in their order.
        """
        if node not in self._known:
            self._known[node] = self._absorbs(node)
        return self._known[node]

    def _absorbs(self, node: ir.Node) -> bool:
        source, bounds = node.inputs[0], clip_bounds(node)
        assert source is not None and bounds is not None
        low = 0.0 if node.name in self._blunt else bounds[0]
        least, most = self._fills.get(node.outputs[0], (0.0, 0.0))
        if least < low or most > bounds[1]:
            return False
        if source.is_graph_output() or len(source.uses()) != 1 or self._cut.target.activations.symmetric:
            return False
        producer = source.producer()
        if producer is None or producer.graph is not self._cut.graph:
            return False
        if not self._cut.is_integer(producer):
            return True
        kernel = self._cut.target.kernel_of(producer.op_type)
        if kernel is not None:
            return not (is_op(producer, "Concat") or kernel.same_scale or kernel.output_grid is not None)
        return is_op(producer, "Relu", "Clip") and self.absorbs(producer)
