"""Remember what regions of one form compute, so that a form is evaluated once.

Two regions have one form if their nodes are the same operators with the same attributes, wired in
the same way. Large models repeat a few forms thousands of times.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field

import onnx_ir as ir

from edgeq.graph.patterns.regions import Region
from edgeq.passes.prepare.recognize.known_functions import KnownFunction
from edgeq.passes.prepare.recognize.plain_attributes import plain_attributes

#: a form, the value in it that the region starts from, and the numbers of its constants
_Question = tuple[int, int, tuple[float, ...]]


@dataclass(frozen=True)
class Forms:
    """The forms of one walk through a model."""

    #: whether a region may hold a node
    admits: Callable[[ir.Node], bool]
    #: (the form without its last node, that node) -> the form
    _numbers: dict[tuple[int, Hashable], int] = field(default_factory=dict)
    #: what is known already
    _answers: dict[_Question, KnownFunction | None] = field(default_factory=dict)
    #: whether a region may hold a node, which is asked once for every region that reaches it
    _admitted: dict[ir.Node, bool] = field(default_factory=dict)

    def extended(self, form: int, node: Hashable) -> int:
        """The form that consists of another and one more node."""
        return self._numbers.setdefault((form, node), len(self._numbers) + 1)

    def admitted(self, node: ir.Node) -> bool:
        """Whether a region may hold the node, by `admits`, which is asked at the first time."""
        known = self._admitted.get(node)
        if known is None:
            known = self._admitted[node] = self.admits(node)
        return known

    def forget(self, nodes: Iterable[ir.Node]) -> None:
        """Forget what is known of nodes that are about to change."""
        for node in nodes:
            self._admitted.pop(node, None)

    def once(self, question: _Question, answer: Callable[[], KnownFunction | None]) -> KnownFunction | None:
        """The answer to a question, found at the first time."""
        if question not in self._answers:
            self._answers[question] = answer()
        return self._answers[question]


class GrowingForm:
    """The form of a region that takes in one node after the other, from its end on."""

    def __init__(self, forms: Forms) -> None:
        self._forms, self._form, self._size = forms, 0, 0
        self._places: dict[ir.Value, int] = {}  # each value's place among those that the nodes name

    def grow(self, region: Region) -> None:
        """Take in the nodes that the region has more than the one before."""
        for node in region.nodes[self._size :]:
            made = tuple(self._place(value) for value in node.outputs)
            read = tuple(None if value is None else self._place(value) for value in node.inputs)
            self._form = self._forms.extended(self._form, (node.op_type, plain_attributes(node), made, read))
        self._size = len(region.nodes)

    def once(self, region: Region, numbers: Sequence[float], answer: Callable[[], KnownFunction | None]) -> KnownFunction | None:
        """What a region of this form with these numbers as its constants computes."""
        return self._forms.once((self._form, self._place(region.source), tuple(numbers)), answer)

    def _place(self, value: ir.Value) -> int:
        return self._places.setdefault(value, len(self._places))
