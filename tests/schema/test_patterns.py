"""Patterns of recipes: regular expressions take linear time, and what RE2 lacks is refused."""

from __future__ import annotations

import onnx_ir as ir
import pytest

from edgeq.errors import BadRecipe
from edgeq.schema.patterns import kept_nodes


def named(*names: str) -> ir.Model:
    """A chain of Relu nodes with these names."""
    values = [ir.val("x", ir.DataType.FLOAT, [4])]
    nodes = []
    for name in names:
        node = ir.Node("", "Relu", [values[-1]], name=name)
        node.outputs[0].name = f"{len(nodes)}.out"
        nodes.append(node)
        values.append(node.outputs[0])
    return ir.Model(ir.Graph(values[:1], values[-1:], nodes=nodes, opset_imports={"": 17}), ir_version=8)


# each takes a backtracking engine longer than the universe lasts on a name that nearly matches
@pytest.mark.parametrize("pattern", ["/(a+)+$/", "/^(a|aa)*$/", "/^(a*)*b$/", "/(a|a)*c/"])
def test_a_pattern_with_many_ways_to_match_ends(pattern: str) -> None:
    assert kept_nodes(named("a" * 50_000 + "!", "a" * 50_000), pattern) in ((), ("a" * 50_000,))


def test_a_glob_with_many_stars_ends() -> None:
    assert kept_nodes(named("a" * 2000), "*a" * 300 + "*b") == ()


@pytest.mark.parametrize(
    ("pattern", "says"),
    [("/(?!a)b/", r"\(\?!"), (r"/(a)\1/", r"\\1"), ("/a{9999}/", "repetition"), ("/[/", r"\["), ("/\udcff/", "utf-8")],
)
def test_a_pattern_that_the_engine_does_not_take_is_refused_by_its_key(pattern: str, says: str) -> None:
    with pytest.raises(BadRecipe, match=says) as caught:
        kept_nodes(named("a"), pattern, "codebook.layers")
    assert caught.value.where == "codebook.layers"


def test_a_pattern_of_absurd_length_is_refused() -> None:
    with pytest.raises(BadRecipe, match="limit is 4096"):
        kept_nodes(named("a"), "/" + "a" * 10_000 + "/")


def test_names_of_any_letters_are_searched() -> None:
    assert kept_nodes(named("blöck_1", "頭/2"), "/ö|頭/") == ("blöck_1", "頭/2")
