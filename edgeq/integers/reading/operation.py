"""An operator as a file has it, in the steps that the interpreter runs for it."""

from __future__ import annotations

from dataclasses import dataclass

from edgeq.integers.graph import IntegerGraph, IntegerOp, Operand


@dataclass(frozen=True, eq=False)
class Operation:
    """One operator of a file."""

    #: of a .tflite file its first output, of an ONNX file its node
    name: str
    #: as the file calls it: CONV_2D, Conv
    op_type: str
    #: what it reads that is known only at run time
    inputs: tuple[Operand, ...]
    #: what it writes
    outputs: tuple[Operand, ...]
    #: what computes the outputs of the inputs
    steps: tuple[IntegerOp, ...]


@dataclass(frozen=True, eq=False)
class ReadFile:
    """A file as integers."""

    graph: IntegerGraph
    #: in the order of execution
    operations: tuple[Operation, ...]
    #: name of an input or output of the model -> what the file's signature calls it
    signature: dict[str, str]


def operations_of(graph: IntegerGraph) -> tuple[Operation, ...]:
    """The operators of an ONNX model, one a step; what reads constants alone is none."""
    steps = [step for step in graph.steps if step.computes]
    return tuple(Operation(step.name, step.op_type, computed(step.inputs), step.outputs, (step,)) for step in steps)


def computed(operands: tuple[Operand | None, ...]) -> tuple[Operand, ...]:
    """The operands that are known only at run time, each once."""
    return tuple({one.name: one for one in operands if one is not None and one.data is None}.values())
