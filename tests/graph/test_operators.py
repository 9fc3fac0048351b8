"""The rows of operators: complete, true to ONNX, and agreeing with targets and with the tables of
code that runs operators.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import onnx.defs
import onnx_ir as ir
import pytest

from edgeq.graph.channels.rules import RULES
from edgeq.graph.operator import ChannelRule, Operator
from edgeq.graph.operators import OPERATORS, RUNTIME_KERNELS, UNKNOWN
from edgeq.graph.read import operator_of
from edgeq.schema.target import Target, load_target, shipped_targets

ROOT = Path(__file__).resolve().parents[2]
#: rooms and files that hold what runs an operator, or lists that only they ask for
OWN_TABLES = (
    "edgeq/integers/",  # numpy and TFLite forms
    "edgeq/learn/operators/",  # torch functions
    "edgeq/graph/affine.py",  # numpy on scales and shifts
    "edgeq/graph/patterns/numpy_forms.py",  # numpy on what one value is computed from
    "edgeq/graph/shapes/symbolic_shapes.py",  # numpy on shapes
    "passes/store/materialize.py",  # numpy on packed codes
    "edgeq/rewrite/simplify.py",  # what onnxsim is worth its time for
    "edgeq/rewrite/lower.py",  # what its passes change
    "edgeq/runtimes/optimized_graph.py",  # what onnxruntime inserts to change the layout
)
SCHEMAS = {schema.name: schema for schema in onnx.defs.get_all_schemas_with_history() if schema.domain == ""}


def named_by(target: Target) -> set[str]:
    """The operators that a target says something about."""
    named = {kernel.op for kernel in target.kernel} | {*target.movement.ops, *target.movement.views, *target.movement.behind_conv}
    named |= set() if target.dynamic is None else {*target.dynamic.ops, *(layer.op for layer in target.dynamic.layer)}
    return named | (set() if target.slow_fusions is None else {*target.slow_fusions.add_before})


@pytest.mark.parametrize("name", shipped_targets())
def test_every_operator_that_a_target_names_has_a_row(name: str) -> None:
    assert named_by(load_target(name)) - OPERATORS.keys() == set()


@pytest.mark.parametrize("name", shipped_targets())
def test_targets_and_rows_say_the_same(name: str) -> None:
    target = load_target(name)
    moved = [OPERATORS[op] for op in target.movement.ops]
    assert [row for row in moved if row.moves is None and not (row.on_codes and row.makes == "int64")] == []
    assert [op for op in target.movement.views if OPERATORS[op].moves != "views"] == []
    assert [kernel.op for kernel in target.kernel if kernel.lookup and OPERATORS[kernel.op].elementwise != "one"] == []
    for kernel in target.kernel:
        row = OPERATORS[kernel.op]
        assert kernel.bias in (None, row.bias), kernel.op
        assert kernel.weight is None or kernel.weight in row.weights, kernel.op
        assert kernel.weight is None or kernel.channel_axis in (None, row.weight_axis), kernel.op


@pytest.mark.parametrize("row", OPERATORS.values(), ids=lambda row: row.op_type)
def test_rows_are_about_operators_and_inputs_of_onnx(row: Operator) -> None:
    inputs = SCHEMAS[row.op_type].inputs
    variadic = bool(inputs) and inputs[-1].option == onnx.defs.OpSchema.FormalParameterOption.Variadic
    indices = [*(row.data or ()), *row.weights, *(() if row.bias is None else (row.bias,))]
    assert variadic or all(index < len(inputs) for index in indices)
    assert row.bias not in row.data_of(len(inputs))


def test_no_operator_and_no_kernel_has_two_rows() -> None:
    assert OPERATORS.keys() & RUNTIME_KERNELS.keys() == set()
    kernels = [kernel.op_type for row in OPERATORS.values() for kernel in row.kernels]
    assert len(kernels) == len(set(kernels))
    source = ast.parse((ROOT / "edgeq/graph/operators.py").read_text(encoding="utf-8"))
    names = [name for node in ast.walk(source) if isinstance(node, ast.Constant) and (name := node.value) in OPERATORS]
    assert sorted(names) == sorted(OPERATORS)


def test_kernels_read_every_input_of_their_operator() -> None:
    for kernel, row in RUNTIME_KERNELS.values():
        if kernel.inputs and kernel.scale is not None:
            assert row.data is None or max(row.data) < len(kernel.inputs), kernel.op_type
            assert kernel.scale not in kernel.inputs


def test_there_is_a_rule_for_every_way_to_hand_channels_on() -> None:
    assert set(RULES) == set(get_args(ChannelRule)) == {row.channels for row in OPERATORS.values()} - {None}


def test_every_torch_function_is_of_a_known_operator() -> None:
    pytest.importorskip("torch", reason="extra [learn] is not installed")
    from edgeq.learn.operators.quantized import QUANTIZED_OPERATORS
    from edgeq.learn.operators.table import OPERATORS as FUNCTIONS

    assert (QUANTIZED_OPERATORS.keys() | FUNCTIONS.keys()) - OPERATORS.keys() - RUNTIME_KERNELS.keys() == set()


def tables(path: Path) -> Iterator[set[str]]:
    """The names of operators in each literal collection of a file that has three or more."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        items = node.keys if isinstance(node, ast.Dict) else node.elts if isinstance(node, ast.Set | ast.Tuple | ast.List) else []
        names = {item.value for item in items if isinstance(item, ast.Constant) and item.value in SCHEMAS}
        if len(names) >= 3:
            yield names


SOURCES = sorted(
    path
    for folder in ("edgeq", "passes")
    for path in (ROOT / folder).rglob("*.py")
    if not path.relative_to(ROOT).as_posix().startswith("edgeq/passes/") and path.name != "operators.py"
)


def test_facts_about_operators_stand_in_the_rows_alone() -> None:
    found = {path.relative_to(ROOT).as_posix(): list(tables(path)) for path in SOURCES}
    loose = {path: names for path, names in found.items() if names and not path.startswith(OWN_TABLES)}
    assert loose == {}
    own = {name for path, sets in found.items() if path.startswith(OWN_TABLES) for names in sets for name in names}
    assert own - OPERATORS.keys() - RUNTIME_KERNELS.keys() == set()


def test_another_domain_has_no_rows() -> None:
    assert operator_of(ir.Node("org.example", "Conv", [])) is UNKNOWN
    assert operator_of(None) is UNKNOWN
    assert operator_of(ir.Node("ai.onnx", "Conv", [])) is OPERATORS["Conv"]
