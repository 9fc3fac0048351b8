"""Read a QDQ graph as integer operators with the grids of their operands.

The graph is not changed, and need not be legal for any target.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir

from edgeq.graph.code_grids import grid_of, known_grids
from edgeq.graph.read import clip_bounds, constant, is_op
from edgeq.numerics.arrays import AnyArray
from edgeq.numerics.grid import QuantParams


@dataclass(frozen=True, eq=False)
class Operand:
    """A tensor that an integer operator reads or writes."""

    #: name of the value that holds the codes where it is quantized, else of the value itself
    name: str
    #: numpy name of the element type
    dtype: str
    #: None where a size is unknown
    shape: tuple[int, ...] | None
    #: grid of the codes; None for floats, and for integers that are no codes (shapes, indices)
    grid: QuantParams | None
    #: array of a constant
    data: AnyArray | None = None

    @property
    def is_float(self) -> bool:
        """Whether the operand holds real numbers at run time."""
        return self.data is None and self.dtype in ("float32", "float16", "float64", "bfloat16")

    @property
    def is_index(self) -> bool:
        """Whether the operand holds whole numbers at run time that are no codes."""
        return self.data is None and self.grid is None and self.dtype in ("int64", "int32")


@dataclass(frozen=True, eq=False)
class IntegerOp:
    """One operator on codes."""

    #: ONNX's name, or Requantize (codes to another grid), or Lookup (inputs: codes and table)
    op_type: str
    #: the node in the graph, for its attributes
    node: ir.Node
    #: None for an optional input that is left out
    inputs: tuple[Operand | None, ...]
    outputs: tuple[Operand, ...]
    #: bounds of a Relu or Clip between the operator and its output grid, fused into the kernel
    clamp: tuple[float, float] | None = None

    @property
    def name(self) -> str:
        return str(self.node.name)

    @property
    def computes(self) -> bool:
        """Whether an input is known only at run time; constants are read where they are used."""
        return any(operand is not None and operand.data is None for operand in self.inputs)


@dataclass(frozen=True, eq=False)
class IntegerGraph:
    """The operators of a model."""

    #: of the model: floats or codes
    inputs: tuple[Operand, ...]
    #: of the model: floats or codes
    outputs: tuple[Operand, ...]
    #: in the order of execution
    steps: tuple[IntegerOp, ...]


def integer_graph(model: ir.Model) -> IntegerGraph:
    """Read the main graph of a QDQ model whose shapes are inferred.

    The DequantizeLinear and QuantizeLinear around an operator become part of its step; a Cast and
    the Gather from a table of 256 codes become one Lookup. Every other node is a step of its own.
    """
    return _Reader(model).read()


class _Reader:
    """The state of reading one graph."""

    def __init__(self, model: ir.Model) -> None:
        self.graph = model.graph
        self.grids = known_grids(model)
        self.done: set[ir.Node] = set()

    def read(self) -> IntegerGraph:
        steps = tuple(step for step in self._steps() if step.outputs)  # what nothing reads is not computed
        inputs = tuple(self._plain(value) for value in self.graph.inputs if value.name not in self.graph.initializers)
        return IntegerGraph(inputs, tuple(self._plain(value) for value in self.graph.outputs), steps)

    def _steps(self) -> Iterator[IntegerOp]:
        for node in self.graph:
            if node in self.done or is_op(node, "Constant"):
                continue
            if is_op(node, "DequantizeLinear"):
                yield from self._dequantize(node)
            elif is_op(node, "QuantizeLinear"):
                yield self._quantize(node)
            elif is_op(node, "Cast") and (table := self._table_reader(node)) is not None:
                self.done.add(table)
                inputs = (self._operand(node.inputs[0]), self._operand(table.inputs[0]))
                yield IntegerOp("Lookup", table, inputs, (self._made_by_table(table.outputs[0]),))
            else:
                yield self._operator(node)

    def _dequantize(self, node: ir.Node) -> Iterator[IntegerOp]:
        """A DequantizeLinear is a step only where its result is an output of the model."""
        if constant(node.inputs[0]) is None and node.outputs[0].is_graph_output():
            yield IntegerOp("DequantizeLinear", node, (self._codes(node),), (self._plain(node.outputs[0]),))

    def _quantize(self, node: ir.Node) -> IntegerOp:
        source = self._operand(node.inputs[0])
        op_type = "Requantize" if source is not None and source.grid is not None else "QuantizeLinear"
        return IntegerOp(op_type, node, (source,), (self._plain(node.outputs[0]),))

    def _made_by_table(self, value: ir.Value) -> Operand:
        """The codes of a table; any grid serves those that other tables alone read."""
        if value not in self.grids and value.dtype in (ir.DataType.INT8, ir.DataType.UINT8):
            self.grids[value] = QuantParams(str(value.dtype.numpy()), np.asarray(1, np.float32), np.asarray(0, np.int32))
        return self._plain(value)

    def _table_reader(self, node: ir.Node) -> ir.Node | None:
        uses = list(node.outputs[0].uses())
        reader = uses[0].node if len(uses) == 1 and uses[0].idx == 1 else None
        table = constant(reader.inputs[0]) if reader is not None and is_op(reader, "Gather") else None
        return reader if table is not None and table.shape == (256,) and table.dtype in (np.int8, np.uint8) else None

    def _operator(self, node: ir.Node) -> IntegerOp:
        inputs = tuple(self._operand(value) for value in node.inputs)
        used = [value for value in node.outputs if value.name and (value.uses() or value.is_graph_output())]
        ends = [self._follow(value, through_clamps=len(used) == 1) for value in used]  # a clamp needs a single output
        outputs = [self._plain(end) for end, _ in ends]
        clamp = ends[0][1] if len(ends) == 1 else None
        if is_op(node, "Concat") and outputs and outputs[0].grid is not None:
            inputs = tuple(_of_grid(operand, outputs[0].grid) for operand in inputs)
        return IntegerOp(node.op_type, node, inputs, tuple(outputs), clamp)

    def _follow(self, value: ir.Value, *, through_clamps: bool) -> tuple[ir.Value, tuple[float, float] | None]:
        """The codes that an output becomes when its only reader is a QuantizeLinear, with bounds.

        The bounds are those of the Relu and Clip nodes that lie between the two.
        """
        start, passed = value, list[ir.Node]()
        bounds: tuple[float, float] | None = None
        while value.dtype in (ir.DataType.FLOAT, None) and not value.is_graph_output() and len(value.uses()) == 1:
            reader = next(iter(value.uses())).node
            if is_op(reader, "QuantizeLinear"):
                self.done.update([*passed, reader])
                return reader.outputs[0], bounds
            cut = clip_bounds(reader) if through_clamps and is_op(reader, "Relu", "Clip") else None
            if cut is None:
                break
            bounds = cut if bounds is None else (max(bounds[0], cut[0]), min(bounds[1], cut[1]))
            passed.append(reader)
            value = reader.outputs[0]
        return start, None

    def _operand(self, value: ir.Value | None) -> Operand | None:
        if value is None:
            return None
        maker = value.producer()
        return self._codes(maker) if maker is not None and is_op(maker, "DequantizeLinear") else self._plain(value)

    def _codes(self, node: ir.Node) -> Operand:
        """The operand that a DequantizeLinear reads."""
        source = node.inputs[0]
        assert source is not None
        found = self._plain(source)
        return Operand(found.name, found.dtype, found.shape, grid_of(node), found.data)

    def _plain(self, value: ir.Value) -> Operand:
        data = constant(value)
        shape = None if data is None else data.shape
        if value.shape is not None and all(isinstance(size, int) for size in value.shape):
            shape = tuple(int(size) for size in value.shape if isinstance(size, int))
        dtype = str(data.dtype) if data is not None else "float32" if value.dtype is None else str(value.dtype.numpy())
        return Operand(str(value.name), dtype, shape, self.grids.get(value), data)


def _of_grid(operand: Operand | None, grid: QuantParams) -> Operand | None:
    """The input of a Concat on codes, with the grid of the output where it has none of its own.

    Constants and the results of tables have no DequantizeLinear that would tell their grid.
    """
    if operand is None or operand.grid is not None or operand.is_float:
        return operand
    return replace(operand, grid=grid)
