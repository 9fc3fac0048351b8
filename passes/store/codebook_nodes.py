"""The nodes that compute a weight from packed indices and a table, with ONNX's own operators."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from edgeq.graph.edit import Names, add_constant
from edgeq.numerics.arrays import U8, AnyArray
from edgeq.numerics.codebook import Codebook, Grain, as_runs, turned
from edgeq.numerics.packing import pack, split


class CodebookNodes:
    """Adds the nodes of one codebook at the start of the graph that holds the initializer."""

    def __init__(self, value: ir.Value, names: Names, opset: int, uint2: bool, shared: dict[tuple[int, str, bytes], ir.Value]) -> None:
        graph = value.graph
        assert graph is not None
        self.value, self.graph, self.names, self.opset, self.shared = value, graph, names, opset, shared
        self.stem, self.first = str(value.name), graph[0]
        self.native = {4} if opset >= 21 else set()
        if uint2 and opset >= 25:
            self.native.add(2)

    def emit(self, book: Codebook) -> None:
        """Add the nodes of a codebook and let them replace the initializer."""
        index = self._indices(book)
        if len(book.tables) > 1:
            index = self._offset(index, book)
        flat = book.tables[0] if book.grain.vector > 1 else book.tables.reshape(-1)
        table = add_constant(self.graph, flat, self.names.value(f"{self.stem}_table"))
        kind = ir.DataType.from_numpy(flat.dtype)
        result = self._node("Gather", [table, index], kind)
        if book.grain.vector > 1:
            result = self._from_vectors(result, book, kind)
        elif index.shape is None or index.shape.numpy() != book.shape:
            result = self._node("Reshape", [result, self._shared(np.array(book.shape, np.int64))], kind)
        self._take_over(result, book.shape)

    def _from_vectors(self, result: ir.Value, book: Codebook, kind: ir.DataType) -> ir.Value:
        """Vectors run along the channels, which are then transposed back to their axis."""
        front = turned(book.shape, book.axis)
        result = self._node("Reshape", [result, self._shared(np.array(front, np.int64))], kind, (), front)
        if book.axis == 0:
            return result
        order = [*range(1, book.axis + 1), 0, *range(book.axis + 1, len(front))]
        return self._node("Transpose", [result], kind, [ir.AttrInt64s("perm", order)], book.shape)

    def _take_over(self, result: ir.Value, shape: tuple[int, ...]) -> None:
        """Readers in bodies follow too; the result takes over the initializer's name."""
        del self.graph.initializers[self.stem]
        self.value.replace_all_uses_with(result)
        self.value.name = None
        result.name, result.shape = self.stem, ir.Shape(shape)

    def _indices(self, book: Codebook) -> ir.Value:
        """int32; has the codebook's shape if one part suffices and is not packed, else is flat."""
        parts = split(book.indices, book.bits)
        if len(parts) == 1:
            return self._part(*parts[0])
        (low_width, low), (high_width, high) = ((width, part.reshape(-1)) for width, part in parts)
        raised = self._int32("Mul", [self._part(high_width, high), self._shared(np.array(2**low_width, np.int32))], high.shape)
        return self._int32("Add", [self._part(low_width, low), raised], high.shape)

    def _part(self, width: int, part: U8) -> ir.Value:
        if width == 8:
            stored = add_constant(self.graph, part, self.names.value(f"{self.stem}_indices"))
            return self._cast(stored, part.shape)
        if width in self.native:
            return self._cast(self._native(width, part), part.shape)
        per, packed = 8 // width, pack(part.reshape(-1), width)
        stored = add_constant(self.graph, packed[:, None], self.names.value(f"{self.stem}_packed"))
        apart = self._by_shifts(stored, width, packed.size) if self.opset >= 18 else self._by_division(stored, width, packed.size)
        flat = self._int32("Reshape", [apart, self._shared(np.array([-1], np.int64))], (packed.size * per,))
        if packed.size * per == part.size:
            return flat
        ends = [self._shared(np.array([number], np.int64)) for number in (0, part.size, 0)]
        return self._int32("Slice", [flat, *ends], (part.size,))

    def _native(self, width: int, part: U8) -> ir.Value:
        kind = ir.DataType.UINT4 if width == 4 else ir.DataType.UINT2
        return add_constant(self.graph, part.astype(kind.numpy()), self.names.value(f"{self.stem}_indices"))

    def _by_shifts(self, stored: ir.Value, width: int, rows: int) -> ir.Value:
        per = 8 // width
        shifts = self._shared(np.arange(per, dtype=np.uint8) * np.uint8(width))
        down = self._node("BitShift", [stored, shifts], ir.DataType.UINT8, [ir.AttrString("direction", "RIGHT")], (rows, per))
        kept = self._node("BitwiseAnd", [down, self._shared(np.array(2**width - 1, np.uint8))], ir.DataType.UINT8, (), (rows, per))
        return self._cast(kept, (rows, per))

    def _by_division(self, stored: ir.Value, width: int, rows: int) -> ir.Value:
        per, base = 8 // width, 2**width
        powers = self._shared(np.array([base**place for place in range(per)], np.int32))
        down = self._int32("Div", [self._cast(stored, (rows, 1)), powers], (rows, per))
        return self._int32("Mod", [down, self._shared(np.array(base, np.int32))], (rows, per))

    def _offset(self, index: ir.Value, book: Codebook) -> ir.Value:
        """The tables are concatenated: add the position where each one begins."""
        shape = as_runs(book.shape, book.grain, book.axis)
        if shape == (0, 0, 0):  # the last table has fewer channels: use an offset per channel
            shape = as_runs(book.shape, Grain(1), book.axis)
            starts = np.arange(shape[1], dtype=np.int32) // (book.grain.channels or 1)
        else:
            starts = np.arange(shape[1], dtype=np.int32)
        seen = self._int32("Reshape", [index, self._shared(np.array(shape, np.int64))], shape)
        return self._int32("Add", [seen, self._shared((starts * np.int32(book.tables.shape[1]))[:, None])], shape)

    def _shared(self, array: AnyArray) -> ir.Value:
        """A small constant that all codebooks of the graph share."""
        key = (id(self.graph), f"{array.dtype} {array.shape}", array.tobytes())
        if key not in self.shared:
            self.shared[key] = add_constant(self.graph, array, self.names.value("codebook"))
        return self.shared[key]

    def _cast(self, value: ir.Value, shape: tuple[int, ...]) -> ir.Value:
        return self._node("Cast", [value], ir.DataType.INT32, [ir.AttrInt64("to", ir.DataType.INT32)], shape)

    def _int32(self, op_type: str, inputs: list[ir.Value], shape: tuple[int, ...]) -> ir.Value:
        return self._node(op_type, inputs, ir.DataType.INT32, (), shape)

    def _node(
        self,
        op_type: str,
        inputs: list[ir.Value],
        kind: ir.DataType,
        attributes: Sequence[ir.Attr] = (),
        shape: tuple[int, ...] | None = None,
    ) -> ir.Value:
        # short names, and none for the node: names can take more bytes than a small model's tables
        made = ir.Value(name=self.names.value("codebook"), type=ir.TensorType(kind), shape=None if shape is None else ir.Shape(shape))
        node = ir.Node("", op_type, inputs, attributes, outputs=[made])
        self.graph.insert_before(self.first, node)
        return made
