"""Nodes that compute a stored weight from constants, with ONNX's own operators.

Runtimes fold them when they load a model. They stand at the start of the graph that holds the
initializer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from edgeq.graph.edit import Names, add_constant
from edgeq.numerics.arrays import U8, AnyArray, Ints
from edgeq.numerics.packing import pack, split

#: constants that the nodes of a whole model share, by graph, type, shape and bytes
Shared = dict[tuple[int, str, bytes], ir.Value]


class ConstantNodes:
    """Adds the nodes that compute one initializer, and lets their result replace it."""

    def __init__(self, value: ir.Value, names: Names, opset: int, uint2: bool, shared: Shared, word: str, *, typed: bool = False) -> None:
        """uint2: whether the 2-bit type of opset 25 may be used. word: the name of new values.

        typed: whether the types of FP8 and E8M0 may be used.
        """
        graph = value.graph
        assert graph is not None
        self.value, self.graph, self.names, self.opset, self.word = value, graph, names, opset, word
        self.typed = typed
        self.stem, self.first, self._shared = str(value.name), graph[0], shared
        self._native = {4} if opset >= 21 else set()
        if uint2 and opset >= 25:
            self._native.add(2)

    def take_over(self, result: ir.Value, shape: tuple[int, ...]) -> None:
        """Let `result` replace the initializer and take over its name; readers in bodies follow."""
        del self.graph.initializers[self.stem]
        self.value.replace_all_uses_with(result)
        self.value.name = None
        result.name, result.shape = self.stem, ir.Shape(shape)

    def unsigned(self, values: U8, bits: int, stored_as: str) -> ir.Value:
        """int32, computed from the packed form of values below 2^bits.

        It has their shape if it is stored in one part that needs no unpacking, else it is flat.
        """
        parts = split(values, bits)
        if len(parts) == 1:
            return self._part(*parts[0], stored_as)
        (low_width, low), (high_width, high) = ((width, part.reshape(-1)) for width, part in parts)
        above = [self._part(high_width, high, stored_as), self.shared(np.array(2**low_width, np.int32))]
        raised = self.int32("Mul", above, high.shape)
        return self.int32("Add", [self._part(low_width, low, stored_as), raised], high.shape)

    def signed(self, values: Ints, bits: int, stored_as: str) -> ir.Value:
        """int32 in the shape of values of -2^(bits - 1) .. 2^(bits - 1) - 1."""
        if bits == 8 or (bits == 4 and bits in self._native):
            kind = ir.DataType.INT8 if bits == 8 else ir.DataType.INT4
            stored = add_constant(self.graph, values.astype(kind.numpy()), self.names.value(f"{self.stem}_{stored_as}"))
            return self.cast(stored, ir.DataType.INT32, values.shape)
        half = 2 ** (bits - 1)
        raised = self.reshaped(self.unsigned((values + half).astype(np.uint8), bits, stored_as), values.shape)
        return self.int32("Sub", [raised, self.shared(np.array(half, np.int32))], values.shape)

    def floats(self, codes: U8, kind: ir.DataType, stored_as: str) -> ir.Value:
        """float32 in the shape of the codes of a float type of eight bits."""
        stored = add_constant(self.graph, codes.view(kind.numpy()), self.names.value(f"{self.stem}_{stored_as}"))
        return self.cast(stored, ir.DataType.FLOAT, codes.shape)

    def taken(self, table: AnyArray, indices: ir.Value) -> ir.Value:
        """The entries of a small table, which weights share, at indices, in their shape."""
        assert indices.shape is not None
        kind = ir.DataType.from_numpy(table.dtype)
        return self.node("Gather", [self.shared(table), indices], kind, (), tuple(indices.shape.numpy()))

    def reshaped(self, value: ir.Value, shape: tuple[int, ...]) -> ir.Value:
        """The value in another shape; itself if it has that already."""
        if value.shape is not None and value.shape.numpy() == shape:
            return value
        assert value.dtype is not None
        return self.node("Reshape", [value, self.shared(np.array(shape, np.int64))], value.dtype, (), shape)

    def cast(self, value: ir.Value, kind: ir.DataType, shape: tuple[int, ...]) -> ir.Value:
        """The value in another type."""
        return self.node("Cast", [value], kind, [ir.AttrInt64("to", kind)], shape)

    def shared(self, array: AnyArray) -> ir.Value:
        """A small constant that the nodes of all weights in the graph share."""
        key = (id(self.graph), f"{array.dtype} {array.shape}", array.tobytes())
        if key not in self._shared:
            self._shared[key] = add_constant(self.graph, array, self.names.value(self.word))
        return self._shared[key]

    def int32(self, op_type: str, inputs: list[ir.Value], shape: tuple[int, ...]) -> ir.Value:
        """A node whose result is int32."""
        return self.node(op_type, inputs, ir.DataType.INT32, (), shape)

    def node(
        self,
        op_type: str,
        inputs: list[ir.Value],
        kind: ir.DataType,
        attributes: Sequence[ir.Attr] = (),
        shape: tuple[int, ...] | None = None,
    ) -> ir.Value:
        """A node; returns its result."""
        # short names, and none for the node: names can take more bytes than a small model's tables
        made = ir.Value(name=self.names.value(self.word), type=ir.TensorType(kind), shape=None if shape is None else ir.Shape(shape))
        node = ir.Node("", op_type, inputs, attributes, outputs=[made])
        self.graph.insert_before(self.first, node)
        return made

    def _part(self, width: int, part: U8, stored_as: str) -> ir.Value:
        if width == 8:
            stored = add_constant(self.graph, part, self.names.value(f"{self.stem}_{stored_as}"))
            return self.cast(stored, ir.DataType.INT32, part.shape)
        if width in self._native:
            kind = ir.DataType.UINT4 if width == 4 else ir.DataType.UINT2
            stored = add_constant(self.graph, part.astype(kind.numpy()), self.names.value(f"{self.stem}_{stored_as}"))
            return self.cast(stored, ir.DataType.INT32, part.shape)
        per, packed = 8 // width, pack(part.reshape(-1), width)
        stored = add_constant(self.graph, packed[:, None], self.names.value(f"{self.stem}_packed"))
        apart = self._by_shifts(stored, width, packed.size) if self.opset >= 18 else self._by_division(stored, width, packed.size)
        flat = self.int32("Reshape", [apart, self.shared(np.array([-1], np.int64))], (packed.size * per,))
        if packed.size * per == part.size:
            return flat
        ends = [self.shared(np.array([number], np.int64)) for number in (0, part.size, 0)]
        return self.int32("Slice", [flat, *ends], (part.size,))

    def _by_shifts(self, stored: ir.Value, width: int, rows: int) -> ir.Value:
        per = 8 // width
        shifts = self.shared(np.arange(per, dtype=np.uint8) * np.uint8(width))
        down = self.node("BitShift", [stored, shifts], ir.DataType.UINT8, [ir.AttrString("direction", "RIGHT")], (rows, per))
        kept = self.node("BitwiseAnd", [down, self.shared(np.array(2**width - 1, np.uint8))], ir.DataType.UINT8, (), (rows, per))
        return self.cast(kept, ir.DataType.INT32, (rows, per))

    def _by_division(self, stored: ir.Value, width: int, rows: int) -> ir.Value:
        per, base = 8 // width, 2**width
        powers = self.shared(np.array([base**place for place in range(per)], np.int32))
        down = self.int32("Div", [self.cast(stored, ir.DataType.INT32, (rows, 1)), powers], (rows, per))
        return self.int32("Mod", [down, self.shared(np.array(base, np.int32))], (rows, per))
