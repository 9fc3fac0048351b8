"""Reasons are grouped by cause, by one function, wherever many nodes have them."""

from __future__ import annotations

import pytest
from rich.console import RenderableType

from edgeq.api import quantize
from edgeq.cli.check import OBSERVED_SHOWN, violations_text
from edgeq.cli.explain import explanation_text
from edgeq.errors import FloorMissed, UnsupportedOp
from edgeq.integers.legality.violation import Violation
from edgeq.io.reasons import CAUSES_SHOWN, NAMES_SHOWN, TYPES_SHOWN, grouped, in_words
from edgeq.planning.placement import place
from edgeq.proof.node_rows import ProvenNode
from edgeq.proof.proof import Proof, prove_placement, require_int8
from edgeq.report.explain import Explanation
from edgeq.report.text import reasons
from edgeq.schema.recipe import Recipe
from edgeq.schema.target import load_target
from tests.graph_text import net, weights
from tests.qdq_toys import IN, WEIGHT, toy
from tests.reports import plain_text

CPU = load_target("cpu")


def printed(*renderables: RenderableType) -> str:
    return "".join(plain_text(one, width=200) for one in renderables)


def test_the_cause_of_most_nodes_comes_first_with_its_counts() -> None:
    rows = [(f"n{index}", ("Sin", "Cos", "Exp", "Log", "Erf")[index % 5], "no kernel") for index in range(10)]
    found = grouped([("lone", "Add", "its own"), *rows])
    assert [(group.cause, len(group.names)) for group in found] == [("no kernel", 10), ("its own", 1)]
    assert found[0].types == "2 Sin, 2 Cos, 2 Exp and 4 more"
    assert found[0].named == f"n0, n1, n2, n3 and {10 - NAMES_SHOWN} more"
    assert TYPES_SHOWN == 3


@pytest.mark.parametrize("causes", [1, CAUSES_SHOWN, CAUSES_SHOWN + 1, 500])
def test_no_number_of_causes_fills_the_screen(causes: int) -> None:
    rows = [(f"n{index}", "Add", f"cause {index}") for index in range(causes)]
    text = printed(*reasons(rows))
    assert len(text.splitlines()) <= 2 * CAUSES_SHOWN + 1
    hidden = causes - CAUSES_SHOWN
    assert (f"and {hidden} more causes, of {hidden} nodes" in text) == (hidden > 0)


def test_a_thousand_float_nodes_of_a_floor_are_one_sentence() -> None:
    rows = tuple(ProvenNode(f"conv_{index}", "Conv", "float", "its input 0 is not quantized", 0) for index in range(1000))
    with pytest.raises(FloorMissed) as missed:
        require_int8(Proof(rows, 0, 1000, 0, 0, 0.0), ["Conv"])
    assert missed.value.where == "its input 0 is not quantized: 1000 Conv (conv_0, conv_1, conv_2, conv_3 and 996 more)"


def test_what_an_integer_target_cannot_run_is_named_by_cause() -> None:
    body = "[c1] a = Conv(x, w) [e1] b = Det(a) [e2] y = Det(a)"
    model = net(body, outputs="float b, float y", constants={"w": weights(8, 8, 3, 3)})
    with pytest.raises(UnsupportedOp) as refused:
        quantize(model, {"x": weights(8, 8, 16, 16) * 9}, target="npu_int8", recipe=Recipe(effort="fast"), data_doubts="accept")
    assert refused.value.where.endswith(": 2 Det (e1, e2)")


def test_violations_of_one_fact_are_one_paragraph() -> None:
    found = [
        Violation(f"pool_{index}", "MaxPool", "stride", f"stride {index}", "strides of at most 3", "data sheet", "Split it.")
        for index in range(4, 44)
    ]
    text = printed(violations_text(found, "chip"))
    assert text.count("strides of at most 3") == 1
    assert "40 nodes: 40 MaxPool: pool_4, pool_5, pool_6, pool_7 and 36 more" in text
    assert f"stride 4; stride 5; stride 6; and {40 - OBSERVED_SHOWN} others" in text


def test_readers_of_one_value_have_their_reason_once() -> None:
    found = tuple(Explanation(f"add_{index}", "Add", "float", "takes longer in integers", ()) for index in range(9))
    text = printed(explanation_text(found))
    assert text.count("takes longer in integers") == 1
    assert "9 Add" in text
    assert printed(explanation_text(found[:1])).count("takes longer in integers") == 1


@pytest.mark.parametrize(
    ("body", "others"),
    [
        ("[lonely] a = Add(x, k) [far] y = Erf(a)", ("far",)),
        ("[far] a = Erf(x) [lonely] b = Mul(a, k) [away] y = Ceil(b)", ("far", "away")),
    ],
)
def test_the_reason_of_a_node_names_no_other_node(body: str, others: tuple[str, ...]) -> None:
    """What is around it is told by its operators alone, so that equal layers have equal reasons."""
    node = place(net(body, constants={"k": weights(16)}), CPU).nodes["lonely"]
    assert node.because == "cost"
    assert "beside it stays float" in node.reason
    assert not any(name in node.reason for name in others)


def test_the_reason_that_the_runtime_gives_names_no_other_node() -> None:
    body = IN + WEIGHT + "[n] c = Conv(xd, wd)  [reader] f = Sin(c)  [other] g = Sqrt(f)  [last] y = Add(g, c)"
    node = next(node for node in prove_placement(toy(body)).nodes if node.name == "n")
    assert node.reason == "its output is read in float by a Sin"


def test_one_line_for_errors_counts_too() -> None:
    assert in_words([(f"n{index}", "Add", f"cause {index}") for index in range(30)]).endswith("; and 18 more causes, of 18 nodes")
