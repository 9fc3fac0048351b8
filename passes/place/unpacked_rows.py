"""The nodes that look packed rows up and compute their numbers, with ONNX's own operators."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from edgeq.graph.edit import Names, add_constant
from edgeq.graph.read import rank
from edgeq.numerics.arrays import U8, AnyArray
from edgeq.numerics.formats.packed_rows import ZERO, PackedRows


class RowNodes:
    """Adds the nodes of lookups in one table, whose constants they share."""

    def __init__(self, rows: PackedRows, graph: ir.Graph, names: Names, opset: int, stem: str) -> None:
        self.rows, self.graph, self.names, self.opset, self.stem = rows, graph, names, opset, stem
        #: the node that looks up the codes in the last lookup
        self.first: ir.Node | None = None
        self._constants: dict[str, ir.Value] = {}

    def lookup(self, gather: ir.Node) -> ir.Value:
        """Add the nodes of a lookup before the Gather; returns the rows in float32."""
        rows, indices = self.rows, gather.inputs[1]
        depth = rank(indices)
        assert indices is not None and depth is not None
        self._before = gather
        packed = self._gathered("codes", rows.codes, indices)
        self.first = packed.producer()
        shifted = self._node("Cast", [self._unpacked(packed)], ir.DataType.FLOAT, [ir.AttrInt64("to", ir.DataType.FLOAT)])
        numbers = self._node("Sub", [shifted, self._constant("zero", np.array(ZERO, np.float32))], ir.DataType.FLOAT)
        if rows.vectors is not None:
            numbers = self._times_vectors(numbers, rows.vectors, indices, depth)
        wide = rows.codes.shape[1] * 2
        if wide > rows.columns:
            ends = [self._constant(f"end{number}", np.array([number], np.int64)) for number in (0, rows.columns, depth)]
            numbers = self._node("Slice", [numbers, *ends], ir.DataType.FLOAT)
        scale = self._gathered("scale", rows.scale[:, None], indices)
        return self._node("Mul", [numbers, scale], ir.DataType.FLOAT)

    def _times_vectors(self, numbers: ir.Value, vectors: U8, indices: ir.Value, depth: int) -> ir.Value:
        """The numbers times the whole-number scales of their vectors."""
        count = vectors.shape[1] * 2
        size = self.rows.codes.shape[1] * 2 // count
        unpacked = self._unpacked(self._gathered("vector_scales", vectors, indices))
        factors = self._node("Cast", [unpacked], ir.DataType.FLOAT, [ir.AttrInt64("to", ir.DataType.FLOAT)])
        apart, each, back = ((0,) * depth + end for end in ((count, size), (count, 1), (count * size,)))
        parts = [self._reshaped(numbers, apart), self._reshaped(factors, each)]
        return self._reshaped(self._node("Mul", parts, ir.DataType.FLOAT), back)

    def _unpacked(self, packed: ir.Value) -> ir.Value:
        """Numbers below 16 in uint8: the lower halves of all bytes, then the upper halves."""
        form, operand = ("BitwiseAnd", 15) if self.opset >= 18 else ("Mod", 16)
        low = self._node(form, [packed, self._constant(f"byte{operand}", np.array(operand, np.uint8))], ir.DataType.UINT8)
        shift = [packed, self._constant("byte4", np.array(4, np.uint8))]
        high = self._node("BitShift", shift, ir.DataType.UINT8, [ir.AttrString("direction", "RIGHT")])
        return self._node("Concat", [low, high], ir.DataType.UINT8, [ir.AttrInt64("axis", -1)])

    def _gathered(self, word: str, table: AnyArray, indices: ir.Value) -> ir.Value:
        kind = ir.DataType.from_numpy(table.dtype)
        return self._node("Gather", [self._constant(word, table), indices], kind, [ir.AttrInt64("axis", 0)])

    def _reshaped(self, value: ir.Value, sizes: tuple[int, ...]) -> ir.Value:
        assert value.dtype is not None
        word = f"shape{'_'.join(map(str, sizes))}"
        return self._node("Reshape", [value, self._constant(word, np.array(sizes, np.int64))], value.dtype)

    def _constant(self, word: str, array: AnyArray) -> ir.Value:
        if word not in self._constants:
            self._constants[word] = add_constant(self.graph, array, self.names.value(f"{self.stem}_{word}"))
        return self._constants[word]

    def _node(self, op_type: str, inputs: list[ir.Value], kind: ir.DataType, attributes: Sequence[ir.Attr] = ()) -> ir.Value:
        stem = f"{self._before.name}_{op_type}"
        result = ir.Value(name=self.names.value(stem), type=ir.TensorType(kind))
        node = ir.Node("", op_type, inputs, attributes, outputs=[result], name=self.names.node(stem))
        self.graph.insert_before(self._before, node)
        return result
