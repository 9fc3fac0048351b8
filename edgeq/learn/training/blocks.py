"""Blocks of a quantized model: parts with a single input and output, each trained by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import onnx_ir as ir
import torch
from torch import Tensor

from edgeq.graph.read import is_op
from edgeq.learn.simulation.executor import Executor, Part
from edgeq.learn.simulation.float_islands import Island
from edgeq.learn.simulation.simulation import Simulation


@dataclass(frozen=True, eq=False)
class Cut:
    """A value that lies on every path through the model."""

    #: its name in the float model
    value: str
    #: the QuantizeLinear that makes its codes
    quantize: ir.Node
    #: the name of its dequantized codes in the quantized model
    read_as: str

    @property
    def codes(self) -> str:
        """The name of its codes."""
        return str(self.quantize.outputs[0].name)


@dataclass(frozen=True, eq=False)
class Block:
    """A part of the quantized model and the same part of the float model."""

    #: the cut where the block begins; None: it begins with the model
    given: Cut | None
    #: the cut where the block ends; None: it ends with the model
    made: Cut | None
    #: the steps of the quantized model
    student: Part
    #: the steps of the float model
    teacher: Part
    #: name of an output in the float model -> its name in the quantized model
    targets: dict[str, str]
    #: names of its nodes with weights
    layers: tuple[str, ...]


def blocks_of(student: Simulation, teacher: Executor, layers: int, cuttable: Callable[[Sequence[str]], set[str]]) -> list[Block]:
    """The model in blocks of at least `layers` layers with weights, as far as there are cuts.

    cuttable: selects the values of the float model at which samples can be joined and split. The
    last block is as short as possible: the outputs are few numbers, and many weights trained on few
    numbers overfit.
    """
    known = [cut for cut in _cuts(student, teacher) if teacher.part([cut.value], teacher.outputs) is not None]
    good = cuttable([cut.value for cut in known])
    weighted = {weight.one.layer.node for weight in student.weights}

    def block(given: Cut | None, made: Cut | None) -> Block:
        return _block(student, teacher, given, made, weighted)

    tails = {cut: block(cut, None).layers for cut in known if cut.value in good}
    everything = whole(student, teacher).layers
    # of the cuts with the fewest layers behind them, the first: later ones, such as those behind a
    # mean, hold fewer numbers
    last = next((tail for tail in reversed(tails.values()) if tail and tail != everything), None)
    cuts = list(tails)[: 0 if last is None else list(tails.values()).index(last) + 1]
    blocks: list[Block] = []
    given = None
    for cut in cuts:
        found = block(given, cut)
        if len(found.layers) >= layers:
            blocks.append(found)
            given = cut
    if cuts and given is not cuts[-1]:  # the rest is too small for a block of its own
        blocks[-1:] = [block(blocks[-1].given if blocks else None, cuts[-1])]
    return [*blocks, block(cuts[-1] if cuts else None, None)]


def whole(student: Simulation, teacher: Executor) -> Block:
    """The model as one block."""
    return _block(student, teacher, None, None, {weight.one.layer.node for weight in student.weights})


def _block(student: Simulation, teacher: Executor, given: Cut | None, made: Cut | None, weighted: set[str]) -> Block:
    if made is None:
        targets, wanted = {name: name for name in teacher.outputs}, teacher.outputs
    else:
        targets, wanted = {made.value: made.read_as}, (made.read_as, made.codes)
    part = student.executor.part(student.executor.inputs if given is None else [given.codes], wanted)
    twin = teacher.part(teacher.inputs if given is None else [given.value], tuple(targets))
    assert part is not None and twin is not None  # by the definition of a cut
    found = tuple(str(node.name) for step in part.steps for node in step.nodes if node.name in weighted)
    return Block(given, made, part, twin, targets, found)


def _cuts(student: Simulation, teacher: Executor) -> Iterator[Cut]:
    """The cuts of the model, in the order of the graph.

    In any topological order, a value on every path is at some point the only one still needed.
    """
    executor = student.executor
    names = {read: value for value, read in student.inner.items()}
    last = {name: at for at, step in enumerate(executor.steps) for name in step.read}
    last |= dict.fromkeys(executor.outputs, len(executor.steps))
    constant, alive = set(executor.constants), {name for name in executor.inputs if name in last}
    for at, step in enumerate(executor.steps):
        if step.read <= constant:
            constant |= step.made
            continue
        alive = {name for name in alive | step.made if last.get(name, -1) > at}
        cut = _cut_behind(step, names, teacher) if len(alive) == 1 else None
        if cut is not None and alive == {cut.codes}:
            yield cut


def _cut_behind(step: Island, names: dict[str, str], teacher: Executor) -> Cut | None:
    node = step.nodes[-1]
    if len(step.nodes) > 1 or not is_op(node, "QuantizeLinear"):
        return None
    read = next((str(use.node.outputs[0].name) for use in node.outputs[0].uses()), "")
    value = names.get(read)
    known = value in teacher.made and read not in teacher.outputs
    return Cut(value, node, read) if value is not None and known else None


def in_codes(cut: Cut, student: Simulation, numbers: Tensor) -> Tensor:
    """Values of the float model on the grid of the cut, clipped to its ends but not rounded."""
    names = [str(value.name) for value in cut.quantize.inputs[1:] if value is not None]
    constants = student.executor.constants | student.constants(names)
    zero = constants[names[1]] if len(names) > 1 else torch.zeros((), dtype=torch.uint8)
    ends = torch.iinfo(zero.dtype)
    return torch.clamp(numbers / constants[names[0]] + zero, ends.min, ends.max)
