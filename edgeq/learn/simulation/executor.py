"""Run an ONNX graph in torch, so that gradients flow to its weights."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import onnx_ir as ir
import torch
from torch import Tensor

from edgeq.errors import UnsupportedOp
from edgeq.graph.read import constant, nodes
from edgeq.learn.operators.operands import Operand, Operands, TorchOperator, real
from edgeq.learn.operators.table import OPERATORS
from edgeq.learn.simulation.float_islands import Island, exact_with_gradient

#: operators that may have more than one output in torch
SEVERAL = ("DynamicQuantizeLinear", "Split")


@dataclass(frozen=True, eq=False)
class Part:
    """Steps that compute the wanted values from given ones."""

    #: the steps, in the order in which they run
    steps: tuple[Island, ...]
    #: names of the values that they compute for others
    wanted: tuple[str, ...]

    @cached_property
    def last(self) -> dict[str, int]:
        """Name of a value -> index of the last step that reads it."""
        return {name: at for at, step in enumerate(self.steps) for name in step.read}

    @cached_property
    def read(self) -> frozenset[str]:
        """Names of all values that the steps read, constants included."""
        return frozenset(self.last)


def refuse_unknown(model: ir.Model, operators: Mapping[str, TorchOperator]) -> None:
    """Raise UnsupportedOp for the first node, bodies included, that has no operator in torch."""
    for node in nodes(model):
        if node.domain not in ("", "ai.onnx") or node.op_type not in operators:
            what = f"Operator {node.op_type} cannot be run in torch."
            raise UnsupportedOp(what, f"node {node.name}", "Replace the operator in the float model.")
        if node.op_type not in SEVERAL and any(value.uses() for value in node.outputs[1:]):
            what = f"The outputs of {node.op_type} after the first cannot be computed in torch."
            raise UnsupportedOp(what, f"node {node.name}", "Replace the operator in the float model.")


class Executor:
    """A model without subgraphs, run in torch.

    operators: operator type -> torch function. steps: all nodes in the order in which they run,
    needed where the runtime computes some of them; empty: each node is a step. Raises
    UnsupportedOp, which names the first node without an operator.
    """

    def __init__(self, model: ir.Model, operators: Mapping[str, TorchOperator] = OPERATORS, steps: Sequence[Island] = ()) -> None:
        refuse_unknown(model, operators)
        self._nodes, self._operators = list(nodes(model)), operators
        self.inputs = tuple(str(value.name) for value in model.graph.inputs)
        self.outputs = tuple(str(value.name) for value in model.graph.outputs)
        #: names of all values that nodes compute
        self.made = frozenset(str(value.name) for node in self._nodes for value in node.outputs)
        #: the constants of the model by name
        self.constants: dict[str, Tensor] = {}
        for name, value in model.graph.initializers.items():
            array = constant(value)
            if array is not None:
                self.constants[name] = torch.from_numpy(np.array(array))
        #: the float32 constants by name; set requires_grad to learn them
        self.parameters = {name: one for name, one in self.constants.items() if one.dtype == torch.float32}
        self.steps = tuple(steps) or tuple(Island((node,)) for node in self._nodes)
        self._all = Part(self.steps, self.outputs)

    def forward(self, feeds: Mapping[str, Tensor], want: Sequence[str] = ()) -> dict[str, Tensor]:
        """The graph's outputs and the inner values `want`, by name.

        feeds: the inputs by name, and constants by name to replace those of the model. Every value
        is freed after its last reader.
        """
        return self.run(self._all, feeds, want)

    def part(self, given: Collection[str], wanted: Sequence[str]) -> Part | None:
        """The part that computes the wanted values from the given ones and constants.

        None when inputs of the model are needed, too.
        """
        makers = {name: at for at, step in enumerate(self.steps) for name in step.made}
        needed, looked_for = set[int](), [name for name in wanted if name not in given]
        while looked_for:
            name = looked_for.pop()
            if name in self.constants:
                continue
            if name not in makers:
                return None
            if makers[name] not in needed:
                needed.add(makers[name])
                looked_for += sorted(self.steps[makers[name]].read.difference(given))
        return Part(tuple(self.steps[at] for at in sorted(needed)), tuple(wanted))

    def run(self, part: Part, feeds: Mapping[str, Tensor], want: Sequence[str] = ()) -> dict[str, Tensor]:
        """The wanted values of the part and the inner values `want`, by name.

        feeds: the given values by name, and constants by name to replace those of the model.
        """
        values: dict[str, Operand] = {**self.constants, **feeds}
        kept = {*part.wanted, *want}
        for at, step in enumerate(part.steps):
            exact = step.exact(values)
            inner = kept.intersection(step.made) - exact.keys()
            if not exact or inner or torch.is_grad_enabled():
                self._run(step, values)
            values |= {name: exact_with_gradient(values.get(name), array) for name, array in exact.items()}
            for name in step.read - kept:
                if part.last[name] == at:
                    values.pop(name, None)
        return {name: real(values[name]) for name in (*part.wanted, *want)}

    def _run(self, step: Island, values: dict[str, Operand]) -> None:
        for node in step.nodes:
            given = [None if value is None else values[str(value.name)] for value in node.inputs]
            made = self._operators[node.op_type](node, Operands(given))
            for value, result in zip(node.outputs, made if isinstance(made, tuple) else (made,), strict=False):
                values[str(value.name)] = result
