"""Operators that compute otherwise elsewhere are named, and none that merely inherits the error.

Another runtime is onnxruntime with a model in which some nodes are other ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import onnx_ir as ir
import pytest

import edgeq
from edgeq.cli.proving.differing import differing_lines
from edgeq.data.open import open_dataset
from edgeq.data.shipped import shipped_model
from edgeq.graph.signature import input_specs
from edgeq.numerics.arrays import AnyArray
from edgeq.progress import Silent
from edgeq.proof.elsewhere.cut import cut
from edgeq.proof.elsewhere.differing import Differing, find_differing
from edgeq.proof.elsewhere.handed import ProofSubject, handed
from edgeq.runtimes.ort import Session, open_session
from edgeq.runtimes.protocol import Port
from edgeq.runtimes.table import look_up
from tests.small_models import text_model

Change = Callable[[ir.Model], None]


class Other:
    """A session of onnxruntime, as another runtime."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.inputs = tuple(Port(one.name, (), one.dtype, 0.0, 0) for one in session.inputs)
        self.outputs = tuple(Port(name, (), "", 0.0, 0) for name in session.outputs)

    def run(self, arrays: Sequence[AnyArray]) -> list[AnyArray]:
        return self._session.run({port.name: array for port, array in zip(self.inputs, arrays, strict=True)})


def differing(change: Change) -> tuple[Differing, ...]:
    """What is found where the other runtime runs the digits net with this change."""
    recipe = edgeq.Recipe(effort="fast", samples=32, placement={"prefer": "integers"})
    made = edgeq.quantize(shipped_model("digits"), "digits", recipe=recipe, prove=False)
    model = handed(look_up("web"), ProofSubject(made.model), None)
    assert isinstance(model, ir.Model)

    @contextmanager
    def opened(parts: ir.Model) -> Iterator[Other]:
        other = parts.clone()
        change(other)
        with open_session(other, arena=False) as session:
            yield Other(session)

    return find_differing(model, opened, open_dataset("digits", input_specs(model), samples=8), Silent())


def only(model: ir.Model, op_type: str) -> ir.Node:
    return next(node for node in model.graph if node.op_type == op_type)


def test_the_same_runtime_differs_nowhere() -> None:
    assert differing(lambda _: None) == ()


@pytest.mark.parametrize(("op_type", "other"), [("Add", "Sub"), ("Add", "Max")])
def test_the_operator_that_is_another_one_is_named_and_none_behind_it(op_type: str, other: str) -> None:
    def change(model: ir.Model) -> None:
        only(model, op_type).op_type = other

    (found,) = differing(change)
    assert op_type in found.op_types and found.most is not None and found.most > 0
    assert 0 < found.share <= 1


def test_a_wrong_tail_in_floats_is_named_by_the_output() -> None:
    head = """<ir_version: 8, opset_import: ["": 17]> net (float[N, 8] x) => (float[N, 4] y)
        { q = QuantizeLinear(x, s, z)  d = DequantizeLinear(q, s, z)  [fc] g = MatMul(d, w)  [tail] y = Exp(g) }"""
    weights = {"s": np.float32(0.05), "z": np.uint8(128), "w": np.ones((8, 4), np.float32)}
    model = ir.from_proto(text_model(head, weights))
    data = open_dataset({"x": np.random.default_rng(0).normal(size=(4, 8)).astype(np.float32)}, input_specs(model))

    @contextmanager
    def opened(parts: ir.Model) -> Iterator[Other]:
        other = parts.clone()
        only(other, "Exp").op_type = "Sin"
        with open_session(other, arena=False) as session:
            yield Other(session)

    (found,) = find_differing(model, opened, data, Silent())
    assert (found.name, found.op_types, found.most) == ("tail", ("MatMul", "Exp"), None)
    assert found.sqnr_db is not None and found.sqnr_db < 20
    assert "1 x MatMul, Exp" in str(differing_lines((found,))[0])


def test_a_cut_model_takes_the_codes_that_it_makes() -> None:
    head = """<ir_version: 8, opset_import: ["": 17]> net (float[N, 4] x) => (float[N, 4] y)
        { q = QuantizeLinear(x, s, z)  d = DequantizeLinear(q, s, z)  r = Relu(d)
          p = QuantizeLinear(r, s, z)  y = DequantizeLinear(p, s, z) }"""
    model = ir.from_proto(text_model(head, {"s": np.float32(0.1), "z": np.uint8(3)}))
    first, second = cut(model)
    assert (first.made, first.op_types, second.made, second.op_types) == ("q", (), "p", ("Relu",))
    assert {str(value.name) for value in model.graph.inputs} >= {"x", first.read, second.read}


def test_sizes_that_are_free_are_those_of_the_first_sample() -> None:
    text = '<ir_version: 8, opset_import: ["": 17]> net (float[N, S, 4] x) => (float[N, S, 4] y) { y = Relu(x) }'
    model = ir.from_proto(text_model(text, {}))
    data = open_dataset({"x": np.ones((3, 5, 4), np.float32)}, input_specs(model))
    given = handed(look_up("web"), ProofSubject(model), data)
    assert isinstance(given, ir.Model)
    assert input_specs(given)[0].shape == (1, 5, 4)
    with pytest.raises(edgeq.EdgeqError, match="not fixed"):
        handed(look_up("web"), ProofSubject(model), None)


def test_the_lines_group_alike_operators_and_say_where_nothing_differs() -> None:
    found = [Differing(name, ("Add",), share, 1, None) for name, share in (("a", 0.001), ("b", 0.02))]
    (line,) = differing_lines(found)
    assert "2 x Add: 2 % differ, by 1 at most (a)" in str(line)
    assert "every operator" in str(differing_lines(())[0])
    assert differing_lines(None) == []
