"""Join chains of arithmetic with constants into one Mul and one Add."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.graph.edit import Names, add_constant, add_node, retire
from edgeq.graph.patterns.regions import leaves_shape
from edgeq.graph.patterns.softmax_readers import reaches_softmax
from edgeq.graph.read import constant, is_op, nodes, only_consumer, operator_of, owner
from edgeq.numerics.arrays import F64

#: exp(-x) is below the normal numbers of float32 from here on: more is a mask to a Softmax
MASK = -float(np.log(np.finfo(np.float32).tiny))

#: links that are joined at a time; longer chains take several turns. Where the product of a chain
#: is 0 or infinite in float32, every shorter one is tried: all of a chain of thousands took minutes
LONGEST = 64


@dataclass(frozen=True)
class JoinAffine(ir.passes.InPlacePass):
    """Replace Mul, Div, Add, Sub and Neg with constants, one after the other, by Mul and Add.

    Mul and Add have integer kernels, Div and Sub do not. Nothing else may read what lies between. A
    subtraction from a constant becomes a factor and an Add only where there was a factor before. A
    Div behind a product of two computed values or before an Erf stays, because runtimes recognize
    attention and GELU by it. In front of a Softmax, the factor of a mask goes behind the Add: in
    kept * 1e9 - 1e9, numbers that no grid holds have to cancel.

    Before: `a = Sub(x, m)`, `b = Div(a, d)`, `c = Mul(b, g)`, `y = Add(c, s)`
    After:  `c = Mul(x, g / d)`, `y = Add(c, s - m g / d)`
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names = Names(model)
        changed = False
        for node in reversed(list(nodes(model))):
            if node.graph is not None:
                changed |= _join(model, node, names)
        return ir.passes.PassResult(model, modified=changed)


@dataclass(frozen=True, eq=False)
class _Link:
    """One node as y = scale * x + shift."""

    node: ir.Node
    #: x
    source: ir.Value
    #: float64, of any shape that x is broadcast with
    scale: F64
    #: float64, like scale
    shift: F64


def _link(node: ir.Node | None) -> _Link | None:
    if node is None or not is_op(node, "Mul", "Div", "Add", "Sub", "Neg") or node.outputs[0].dtype != ir.DataType.FLOAT:
        return None
    one, zero = np.ones(()), np.zeros(())
    if is_op(node, "Neg"):
        return None if node.inputs[0] is None else _Link(node, node.inputs[0], -one, zero)
    data = 0 if constant(node.inputs[0]) is None else 1
    source, array = node.inputs[data], constant(node.inputs[1 - data])
    if source is None or array is None or constant(source) is not None or (is_op(node, "Div") and data == 1):
        return None
    number = array.astype(np.float64)
    if is_op(node, "Mul", "Div"):
        with np.errstate(divide="ignore"):
            return _Link(node, source, number if is_op(node, "Mul") else 1 / number, zero)
    if is_op(node, "Add"):
        return _Link(node, source, one, number)
    return _Link(node, source, one, -number) if data == 0 else _Link(node, source, -one, number)


def _chain(last: ir.Node) -> list[_Link]:
    """The links that end in `last`, which comes first, up to LONGEST of them."""
    found: list[_Link] = []
    link = _link(last)
    while link is not None and len(found) < LONGEST:
        found.append(link)
        link = _link(link.source.producer()) if only_consumer(link.source) is link.node else None
    return found


def _join(model: ir.Model, last: ir.Node, names: Names) -> bool:
    chain = _chain(last)
    while chain:
        if _mask_written(chain, last, names) if _makes_mask(chain, last) else _improves(chain, last) and _written(chain, last, names):
            for link in chain[1:]:
                retire(model, link.node, f"merged into {last.name}")
            return True
        chain.pop()  # a constant at its start may be what cannot be joined
    return False


def _improves(chain: list[_Link], last: ir.Node) -> bool:
    """Whether there is something to gain: fewer nodes, or operators that have integer kernels."""
    if len(chain) > 2:
        return True
    if all(is_op(link.node, "Mul", "Add") for link in chain):
        return len(chain) == 2 and chain[0].node.op_type == chain[1].node.op_type
    hint = _is_product(chain[0].source) or any(is_op(use.node, "Erf") for use in last.outputs[0].uses())
    return len(chain) == 2 or not (hint or is_op(last, "Neg"))


def _is_product(value: ir.Value) -> bool:
    """Whether it is a product of two computed values."""
    maker = value.producer()
    return maker is not None and operator_of(maker).layer and all(constant(source) is None for source in maker.inputs)


def _written(chain: list[_Link], last: ir.Node, names: Names) -> bool:
    """Write the chain as one Mul and one Add, or one of them, if that takes no more nodes."""
    source, sizes = chain[-1].source, [max(link.scale.size, link.shift.size) for link in chain]
    if not all(leaves_shape(array.shape, source) for link in chain for array in (link.scale, link.shift)):
        return False
    with np.errstate(all="ignore"):
        scale, shift = _product(chain)
        factor, offset = scale.astype(np.float32), shift.astype(np.float32)
    holds = np.isfinite(factor).all() and factor.all() and not np.isnan(offset).any() and np.array_equal(np.isinf(offset), np.isinf(shift))
    scales, shifts = bool((factor != 1).any()), bool((offset != 0).any())
    if not holds or max(factor.size, offset.size) > max(sizes) or not 0 < scales + shifts <= len(chain):
        return False
    if scales and shifts:
        number = add_constant(owner(last), factor, names.value(f"{last.name}_scale"))
        name, output = names.node(f"{last.name}_mul"), names.value(f"{last.outputs[0].name}_scaled")
        made = add_node(last, "Mul", [source, number], name=name, output=output)
        made.type, made.shape = source.type, source.shape
        source = made
    array, word = (offset, "shift") if shifts else (factor, "scale")
    last.op_type = "Add" if shifts else "Mul"
    last.resize_inputs(2)
    last.replace_input_with(0, source)
    last.replace_input_with(1, add_constant(owner(last), array, names.value(f"{last.name}_{word}")))
    return True


def _product(chain: list[_Link]) -> tuple[F64, F64]:
    """The factor and the offset of the whole chain; infinite where a constant of it is."""
    scale, shift = np.ones(()), np.zeros(())
    for link in reversed(chain):
        scale, shift = scale * link.scale, shift * link.scale + link.shift
    return scale, shift


def _makes_mask(chain: list[_Link], last: ir.Node) -> bool:
    """Whether the chain is (x - c) * d, to be added to scores, where d is too large for a score."""
    with np.errstate(all="ignore"):
        scale, shift = _product(chain)
    return bool((np.abs(scale) >= MASK).any() and (np.abs(shift) >= MASK).any()) and reaches_softmax(last.outputs[0])


def _mask_written(chain: list[_Link], last: ir.Node, names: Names) -> bool:
    """Write the chain as an Add and a Mul in this order, if that is exact and not so already."""
    with np.errstate(all="ignore"):
        scale, shift = _product(chain)
        factor, offset = scale.astype(np.float32), (shift / scale).astype(np.float32)
    is_so = is_op(last, "Mul") and len(chain) == 2 and is_op(chain[1].node, "Add", "Sub")
    source = chain[-1].source
    if is_so or factor.size != 1 or offset.size != 1 or not np.isfinite(factor).all() or not leaves_shape(factor.shape, source):
        return False
    if not leaves_shape(offset.shape, source) or not np.allclose(scale * offset, shift, rtol=1e-12, atol=0):
        return False  # a bias in the mask would be lost
    number = add_constant(owner(last), offset, names.value(f"{last.name}_shift"))
    name, output = names.node(f"{last.name}_add"), names.value(f"{last.outputs[0].name}_shifted")
    made = add_node(last, "Add", [source, number], name=name, output=output)
    made.type, made.shape = source.type, source.shape
    last.op_type = "Mul"
    last.resize_inputs(2)
    last.replace_input_with(0, made)
    last.replace_input_with(1, add_constant(owner(last), factor, names.value(f"{last.name}_scale")))
    return True
