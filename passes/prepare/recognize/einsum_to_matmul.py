"""Write an Einsum of one or two operands as Transpose, MatMul or Mul, which run in integers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import onnx_ir as ir

from edgeq.graph.edit import Names, add_constant, add_node
from edgeq.graph.read import constant, dim, is_op, nodes, owner, rank
from edgeq.passes.prepare.recognize.einsum_terms import Equation, equation


@dataclass(frozen=True)
class EinsumToMatMul(ir.passes.InPlacePass):
    """Replace an Einsum by operators that say what it does.

    1. Of one operand: Transpose.
    2. Of two, nothing summed: Mul.
    3. Of two: MatMul. A constant operand becomes its weight; axes that are summed together, or that
       one operand has alone, are joined by Reshape where their sizes are known.

    Sums of one operand, diagonals and three operands stay.

    Before: `y = Einsum<equation = "bld,dhk->blhk">(x, w)`
    After:  `p = MatMul(x, w as a matrix)`, `y = Reshape(p, [0, 0, h, k])`
    """

    only_for: ClassVar[tuple[str, ...]] = ("Einsum",)

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names = Names(model)
        changed = False
        for node in [node for node in nodes(model) if is_op(node, "Einsum")]:
            written = _Writer(node, names).write()
            changed |= written
        return ir.passes.PassResult(model, modified=changed)


@dataclass
class _Writer:
    """Writes one Einsum in front of it, then lets it be the last node of what it became."""

    node: ir.Node
    names: Names

    def write(self) -> bool:
        """Whether the node was replaced."""
        values = [value for value in self.node.inputs if value is not None]
        terms = equation(self.node.attributes.get_string("equation", ""), [rank(value) for value in values])
        if terms is None or not terms.is_product or any(value.dtype != ir.DataType.FLOAT for value in values):
            return False
        if len(values) == 1:
            given, wanted = terms.operands[0], terms.result
            return len(given) == len(wanted) and self._finish(values[0], given, wanted)
        if constant(values[0]) is not None:
            terms, values = terms.swapped, values[::-1]
        sizes = _sizes(terms, values)
        if terms.contracted:
            return self._as_matmul(terms, values, sizes)
        factors = [self._spread(value, term, terms.result) for value, term in zip(values, terms.operands, strict=True)]
        self._become("Mul", list(factors), {})
        return True

    def _as_matmul(self, terms: Equation, values: list[ir.Value], sizes: dict[str, int]) -> bool:
        """Case 3."""
        batch, summed, rows, columns = terms.batch, terms.contracted, terms.free(0), terms.free(1)
        kept = not batch  # the rows keep their axes where the second operand is a matrix
        first = _joined([*((c,) for c in (rows if kept else batch)), *(() if kept else (tuple(rows),)), tuple(summed)], sizes)
        second = _joined([*((c,) for c in batch), tuple(summed), tuple(columns)], sizes)
        copied = batch + (rows if kept or len(rows) == 1 else "")
        plain = len(columns) == 1 and len(copied) == len(batch + rows)
        behind = [*(0 for _ in copied), *(sizes.get(c, -1) for c in (batch + rows + columns)[len(copied) :])]
        if first is None or second is None or (behind.count(-1) > 1 and not plain):
            return False
        left = self._arranged(values[0], terms.operands[0], batch + rows + summed, first)
        right = self._arranged(values[1], terms.operands[1], batch + summed + columns, second)
        product = self._added("MatMul", [left, right], {})
        if not plain:
            product = self._reshaped(product, behind)
        return self._finish(product, batch + rows + columns, terms.result)

    def _arranged(self, value: ir.Value, letters: str, order: str, shape: list[int]) -> ir.Value:
        """The value with its axes in another order, then joined."""
        perm = [letters.index(c) for c in order]
        array = constant(value)
        if array is not None:
            moved = np.transpose(array, perm)
            return self._stored(np.ascontiguousarray(moved.reshape(_filled(shape, moved.shape))))
        if perm != list(range(len(perm))):
            value = self._added("Transpose", [value], {"perm": ir.AttrInt64s("perm", perm)})
        return value if len(shape) == len(order) else self._reshaped(value, shape)

    def _spread(self, value: ir.Value, letters: str, result: str) -> ir.Value:
        """The value with the result's axes in the result's order, of size 1 where it lacks them."""
        order = [c for c in result if c in letters]
        missing = [axis for axis, c in enumerate(result) if c not in letters]
        array = constant(value)
        if array is not None:
            return self._stored(
                np.ascontiguousarray(np.expand_dims(np.transpose(array, [letters.index(c) for c in order]), tuple(missing)))
            )
        value = self._arranged(value, letters, "".join(order), [0] * len(order))
        leading = missing == list(range(len(missing)))  # those need no axes of size 1
        return value if leading else self._added("Unsqueeze", [value, self._stored(np.array(missing, np.int64))], {})

    def _finish(self, value: ir.Value, letters: str, result: str) -> bool:
        """Let the node hand on the value with its axes in the order of the result."""
        perm = [letters.index(c) for c in result]
        same = perm == list(range(len(perm)))
        self._become("Identity" if same else "Transpose", [value], {} if same else {"perm": ir.AttrInt64s("perm", perm)})
        return True

    def _reshaped(self, value: ir.Value, shape: list[int]) -> ir.Value:
        return self._added("Reshape", [value, self._stored(np.array(shape, np.int64))], {})

    def _stored(self, array: np.ndarray) -> ir.Value:
        return add_constant(owner(self.node), array, self.names.value(f"{self.node.name}_operand"))

    def _added(self, op_type: str, inputs: list[ir.Value | None], attributes: dict[str, ir.Attr]) -> ir.Value:
        word = op_type.lower()
        name, output = self.names.node(f"{self.node.name}_{word}"), self.names.value(f"{self.node.outputs[0].name}_{word}")
        made = add_node(self.node, op_type, inputs, name=name, output=output, attributes=attributes)
        made.type = self.node.outputs[0].type
        return made

    def _become(self, op_type: str, inputs: list[ir.Value | None], attributes: dict[str, ir.Attr]) -> None:
        self.node.op_type = op_type
        self.node.attributes.clear()
        self.node.attributes.update(attributes)
        self.node.resize_inputs(len(inputs))
        for index, value in enumerate(inputs):
            self.node.replace_input_with(index, value)


def _sizes(terms: Equation, values: list[ir.Value]) -> dict[str, int]:
    """The sizes of the letters, where they are numbers."""
    found = ((c, dim(value, axis)) for value, term in zip(values, terms.operands, strict=True) for axis, c in enumerate(term))
    return {c: size for c, size in found if size is not None}


def _joined(groups: list[tuple[str, ...]], sizes: dict[str, int]) -> list[int] | None:
    """The target of a Reshape that joins the letters of each group; None where it is not known.

    A letter alone keeps its place and size (0) as long as all before it do.
    """
    shape: list[int] = []
    for group in groups:
        alone = len(group) == 1 and not any(shape)
        known = [sizes.get(c) for c in group]
        numbers = [size for size in known if size is not None]
        shape.append(0 if alone else math.prod(numbers) if len(numbers) == len(known) else -1)
    return shape if shape.count(-1) <= 1 else None


def _filled(shape: list[int], given: tuple[int, ...]) -> list[int]:
    return [given[axis] if size == 0 else size for axis, size in enumerate(shape)]
