"""The nodes that compute a weight from packed indices and a table, with ONNX's own operators."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgeq.graph.edit import add_constant
from edgeq.numerics.codebook import Codebook, Grain, as_runs, turned
from edgeq.passes.store.constant_nodes import ConstantNodes


class CodebookNodes(ConstantNodes):
    """Adds the nodes of one codebook at the start of the graph that holds the initializer."""

    def emit(self, book: Codebook) -> None:
        """Add the nodes of a codebook and let them replace the initializer."""
        index = self.unsigned(book.indices, book.bits, "indices")
        if len(book.tables) > 1:
            index = self._offset(index, book)
        flat = book.tables[0] if book.grain.vector > 1 else book.tables.reshape(-1)
        table = add_constant(self.graph, flat, self.names.value(f"{self.stem}_table"))
        kind = ir.DataType.from_numpy(flat.dtype)
        result = self.node("Gather", [table, index], kind)
        if book.grain.vector > 1:
            result = self._from_vectors(result, book, kind)
        elif index.shape is None or index.shape.numpy() != book.shape:
            result = self.reshaped(result, book.shape)
        self.take_over(result, book.shape)

    def _from_vectors(self, result: ir.Value, book: Codebook, kind: ir.DataType) -> ir.Value:
        """Vectors run along the channels, which are then transposed back to their axis."""
        front = turned(book.shape, book.axis)
        result = self.reshaped(result, front)
        if book.axis == 0:
            return result
        order = [*range(1, book.axis + 1), 0, *range(book.axis + 1, len(front))]
        return self.node("Transpose", [result], kind, [ir.AttrInt64s("perm", order)], book.shape)

    def _offset(self, index: ir.Value, book: Codebook) -> ir.Value:
        """The tables are concatenated: add the position where each one begins."""
        shape = as_runs(book.shape, book.grain, book.axis)
        if shape == (0, 0, 0):  # the last table has fewer channels: use an offset per channel
            shape = as_runs(book.shape, Grain(1), book.axis)
            starts = np.arange(shape[1], dtype=np.int32) // (book.grain.channels or 1)
        else:
            starts = np.arange(shape[1], dtype=np.int32)
        seen = self.int32("Reshape", [index, self.shared(np.array(shape, np.int64))], shape)
        return self.int32("Add", [seen, self.shared((starts * np.int32(book.tables.shape[1]))[:, None])], shape)
