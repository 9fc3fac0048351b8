"""Recognize functions of one number by what they compute, and write them with their operators."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.graph.affine import linear_behind
from edgeq.graph.edit import Names, add_constant, add_node, retire
from edgeq.graph.patterns.regions import Region, regions_behind, splat, walk_order
from edgeq.graph.read import constant, is_op, nodes, operator_of, owner
from edgeq.passes.prepare.recognize.forms import Forms, GrowingForm
from edgeq.passes.prepare.recognize.known_functions import KnownFunction, Step, beyond, known_function, sample_points
from edgeq.passes.prepare.recognize.straight_lines import StraightLines


@dataclass(frozen=True)
class FuseFunctions(ir.passes.InPlacePass):
    """Replace nodes that together compute a known function of one value by its operators.

    It is told by what they compute at many points. So every order of operands and every form of the
    constants is found: GELU by Erf or by Tanh, x * sigmoid(x), Mish, HardSwish, HardSigmoid,
    Max(x, 0), Max(x, a x), Min and Max with numbers, PRelu of one slope, Where(x > 0, x, a x).
    Operators that the model's opset does not have are not written.

    Before: `h = Mul(x, 0.5)`, `d = Div(x, 1.4142135)`, `e = Erf(d)`, `a = Add(1, e)`,
            `y = Mul(a, h)`
    After:  `y = Gelu(x)`

    onnxruntime recognizes some of the forms, but not where a Quantize and a Dequantize lie between.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names, opset = Names(model), model.opset_imports.get("", 0)
        changed, search = False, _Search(walk_order(model))
        for node in reversed(search.order):
            found = None if node.graph is None else search.ending_in(node)
            if found is not None and found[1].opset <= opset:
                search.forms.forget(found[0].removable)
                _replace(model, *found, names)
                search.lines.renew(found[0].source.producer())
                changed = True
        return ir.passes.PassResult(model, modified=changed)


def opset_for_functions(model: ir.Model, highest: int) -> int:
    """The lowest opset, up to `highest`, that has the operators of all functions found.

    0 where the model's own has those of all that its operators could make up.
    """
    if not beyond(model.opset_imports.get("", 0), nodes(model)):
        return 0
    search = _Search(walk_order(model))
    opset, gone = 0, set[ir.Node]()
    for node in reversed(search.order):  # as FuseFunctions does
        found = None if node in gone else search.ending_in(node)
        if found is not None and found[1].opset <= highest:
            opset = max(opset, found[1].opset)
            gone.update(found[0].removable)
    return opset


class _Search:
    """Looks for functions from the end of a model on."""

    def __init__(self, order: dict[ir.Node, int]) -> None:
        """order: every node of the model and its place in the walk."""
        self.order, self.forms = order, Forms(_admits)
        self.lines = StraightLines(self.forms.admitted, order)

    def ending_in(self, node: ir.Node) -> tuple[Region, KnownFunction] | None:
        """The largest region behind a node that computes a known function in a longer form."""
        found = self._largest(node)
        return None if found is None or _folds_better(*found) else found

    def _largest(self, node: ir.Node) -> tuple[Region, KnownFunction] | None:
        line = self.lines.line(node)
        if line is None:
            return self._among_regions(node)
        if line not in self.lines.found:
            largest = self._among_regions(node)
            self.lines.found[line] = None if largest is None else (len(largest[0].nodes), largest[1])
        known = self.lines.found[line]
        return None if known is None else (self.lines.region(node, known[0]), known[1])

    def _among_regions(self, node: ir.Node) -> tuple[Region, KnownFunction] | None:
        known, growing = [], GrowingForm(self.forms)
        for region in regions_behind(node, self.forms.admitted, self.order):
            growing.grow(region)
            function = _known(region, growing)
            if function is not None:
                known.append((region, function))
        return next(((region, function) for region, function in reversed(known) if _is_shorter(region, function)), None)


def _admits(node: ir.Node) -> bool:
    """Whether a region may hold the node: an element depends on those in its place alone."""
    if operator_of(node).elementwise is None or len(node.outputs) != 1 or node.outputs[0].dtype not in _KINDS:
        return False
    values = [value for value in node.inputs if value is not None]
    return any(constant(value) is None for value in values)


#: an inner value may be a condition
_KINDS = (ir.DataType.FLOAT, ir.DataType.BOOL)


def _known(region: Region, growing: GrowingForm) -> KnownFunction | None:
    if region.source.dtype != ir.DataType.FLOAT or region.last.outputs[0].dtype != ir.DataType.FLOAT:
        return None
    if len(region.nodes) == 1 and operator_of(region.last).elementwise == "one":
        return None
    numbers = {value: splat(value, region.source) for value in region.constants}
    given = [number for number in numbers.values() if number is not None]
    if len(given) != len(numbers):
        return None
    return growing.once(region, given, lambda: _computed(region, numbers, given))


def _computed(region: Region, numbers: Mapping[ir.Value, float | None], given: list[float]) -> KnownFunction | None:
    x = sample_points(given)
    y = region.result(x, {value: np.asarray(number, np.float64) for value, number in numbers.items()})
    return None if y is None or y.shape != x.shape or y.dtype.kind != "f" else known_function(x, y)


def _is_shorter(region: Region, function: KnownFunction) -> bool:
    """Whether there are fewer nodes; as many, if they are others that say it with fewer inputs."""
    gone = region.removable
    before, after, kept = len(gone), len(function.steps), len(region.nodes) - len(gone)
    others = {node.op_type for node in gone} != {step.op_type for step in function.steps}
    return 2 * kept < before and (after < before or (after == before and others))


def _folds_better(region: Region, function: KnownFunction) -> bool:
    """Whether a layer before it takes up the slope and the offset, and its grid the two bounds."""
    return function.saturates and is_op(region.last, "Clip", "Max", "Min") and linear_behind(region.source) is not None


def _replace(model: ir.Model, region: Region, function: KnownFunction, names: Names) -> None:
    last, value, gone = region.last, region.source, region.removable
    out = last.outputs[0]
    for step in function.steps[:-1]:
        made = add_node(
            last,
            step.op_type,
            [value, region.source] if step.by_x else [value],
            name=names.node(f"{last.name}_{step.op_type.lower()}"),
            output=names.value(f"{out.name}_{step.op_type.lower()}"),
            attributes=dict(_attributes(step)),
        )
        made.type, made.shape = out.type, region.source.shape
        value = made
    _become(last, function.steps[-1], [value, region.source] if function.steps[-1].by_x else [value], names)
    for node in gone[1:]:
        retire(model, node, f"merged into {last.name}")


def _attributes(step: Step) -> Iterator[tuple[str, ir.Attr]]:
    for name, setting in step.attributes.items():
        yield name, ir.AttrString(name, setting) if isinstance(setting, str) else ir.AttrFloat32(name, setting)


def _become(node: ir.Node, step: Step, inputs: list[ir.Value | None], names: Names) -> None:
    node.op_type = step.op_type
    node.attributes.clear()
    node.attributes.update(_attributes(step))
    for index, bound in enumerate(step.bounds):
        if bound is not None:
            inputs += [None] * (index + 1 - len(inputs))
            inputs.append(add_constant(owner(node), np.array(bound, np.float32), names.value(f"{node.name}_{('min', 'max')[index]}")))
    node.resize_inputs(len(inputs))
    for index, value in enumerate(inputs):
        node.replace_input_with(index, value)
