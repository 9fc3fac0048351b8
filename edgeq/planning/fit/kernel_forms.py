"""Whether a node has one of the forms that a kernel takes: attributes, ranks, constant inputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from edgeq.graph.forms.attributes import attribute
from edgeq.graph.forms.resize import COORDINATES, ROUNDING, rounds, selects_alike
from edgeq.graph.read import constant, dim, is_op, rank
from edgeq.numerics.arrays import AnyArray
from edgeq.schema.target_facts import Form


@dataclass(frozen=True)
class Unmet:
    """What a kernel asks for, and what a node has instead: two ends of a sentence."""

    wanted: str
    found: str


def unmet_form(node: ir.Node, forms: Sequence[Form]) -> Unmet | None:
    """What the nearest form asks for that the node does not have; None where it has one of them.

    forms: none means that any form is taken. What is not known (a rank) is taken as met. Two
    roundings of a Resize of mode nearest are the same where they select the same pixels.
    """
    missed = [list(_missed(node, form)) for form in forms]
    if not missed or not all(missed):
        return None
    nearest = min(missed, key=len)
    return Unmet(" and ".join(one.wanted for one in nearest), " and ".join(one.found for one in nearest))


def _missed(node: ir.Node, form: Form) -> Iterator[Unmet]:
    for name, allowed in form.attributes.items():
        value = attribute(node, name)
        if value is not None and value not in allowed and not (name == ROUNDING and _alike(node, allowed)):
            yield Unmet(f"with {name} {' or '.join(map(str, allowed))}", f"its {name} is {value}")
    yield from _missed_shape(node, form)
    if form.most_inputs is not None and len(node.inputs) > form.most_inputs:
        yield Unmet(f"of at most {form.most_inputs} inputs", f"it has {len(node.inputs)}")
    if form.number is not None and not _is_number(node, form.number):
        yield Unmet(f"whose input {form.number} is one constant number", "it is not")
    for index in form.constants:
        if index < len(node.inputs) and node.inputs[index] is not None and _numbers(node.inputs[index]) is None:
            yield Unmet(f"whose input {index} is constant", "it is computed at run time")


def _missed_shape(node: ir.Node, form: Form) -> Iterator[Unmet]:
    source, made = node.inputs[0], node.outputs[0]
    axes = rank(source)
    if form.ranks and axes is not None and axes not in form.ranks:
        yield Unmet(f"of {' or '.join(map(str, form.ranks))} axes", f"its input has {axes}")
    for value, allowed, word in ((source, form.reads, "reads"), (made, form.makes, "makes")):
        dtype = None if value is None or value.dtype is None else value.dtype.name.lower()
        if allowed and dtype is not None and dtype not in allowed:
            yield Unmet(f"that {word} {' or '.join(allowed)}", f"it {word} {dtype}")
    axis = attribute(node, "axis")
    if form.last_axis and axes is not None and axis not in (-1, axes - 1):
        yield Unmet("over the last axis", f"its axis is {axis}")
    if form.whole_sizes and rounds(node):
        yield Unmet("of scales that give whole sizes", "a size is rounded, so that the scale is not their ratio")
    sizes = [(dim(source, place), dim(made, place)) for place in (0, 1)]
    if form.same_channels and any(None not in pair and pair[0] != pair[1] for pair in sizes):
        yield Unmet("of an image's height and width", "it changes the number of samples or channels")


def _alike(node: ir.Node, roundings: Sequence[int | float | str]) -> bool:
    where = str(attribute(node, COORDINATES))
    return any(selects_alike(node, where, str(rounding)) for rounding in roundings)


def _is_number(node: ir.Node, index: int) -> bool:
    array = _numbers(node.inputs[index]) if index < len(node.inputs) else None
    return array is not None and array.size == 1


def _numbers(value: ir.Value | None) -> AnyArray | None:
    """A constant, or the codes of one behind a DequantizeLinear."""
    maker = None if value is None else value.producer()
    return constant(maker.inputs[0] if maker is not None and is_op(maker, "DequantizeLinear") else value)
