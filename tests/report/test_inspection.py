"""Tests of inspecting a model: counts, flash and RAM against figures worked out by hand; the files
that init writes; made-up feeds.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from edgeq.data.made_up import made_up_feeds
from edgeq.data.set_toml import read_set
from edgeq.engines.wish import EngineWish
from edgeq.errors import BadRecipe
from edgeq.graph.liveness import peak_bytes
from edgeq.graph.signature import InputSpec, input_specs
from edgeq.io.load import load_model, load_proto
from edgeq.report.inspection import Inspection, inspect_model
from edgeq.schema.codebook import CodebookWish
from edgeq.schema.cost import PlacementWish
from edgeq.schema.pixels import Preprocessing
from edgeq.schema.recipe import Recipe, load_recipe
from edgeq.schema.recipe_template import recipe_template
from edgeq.schema.target import load_target
from edgeq.starting.set_template import set_template
from tests.small_models import conv_net, text_model
from tests.zoo import zoo_model


def inspected(proto: onnx.ModelProto, shapes: dict[str, tuple[int, ...]] | None = None) -> Inspection:
    return inspect_model(load_proto(proto), load_target("cpu"), shapes)


def graph(body: str, extra: str = "") -> ir.Model:
    """Nodes over float[1, 100] x to float[1, 100] y, shapes inferred."""
    text = f'<ir_version: 8, opset_import: ["": 13]> g (float[1, 100] x) => (float[1, 100] y) {extra} {{ {body} }}'
    return ir.from_proto(onnx.shape_inference.infer_shapes(onnx.parser.parse_model(text)))


# ------------------------------------------------------------------ figures


@pytest.mark.parametrize(
    "text",
    [
        "(string[2] x) => (string[2] y) { y = StringNormalizer(x) }",
        '(int64[1] i) => (string[1] y) <string[3] names = {"cat", "dog", "cow"}> { y = Gather(names, i) }',
    ],
)
def test_strings_have_a_place_among_the_figures(text: str) -> None:
    model = ir.from_onnx_text(f'<ir_version: 8, opset_import: ["": 17]> g {text}')
    found = inspected(ir.to_proto(model))
    assert [row.op_type for row in found.operators] == [node.op_type for node in model.graph]


def test_a_branch_that_is_never_taken_is_no_reader() -> None:
    body = "c = Equal(i, i)  z = If(c) <then_branch = t () => (float[1, 100] a) { a = Add(x, k) }, "
    body += "else_branch = e () => (float[1, 100] b) { b = Mul(x, k) }>  y = Mul(x, z)"
    model = graph(body, "<int64 i = {1}, float[1] k = {2.0}>")
    for target in ("cpu", "npu_int8", "mcu_tflite"):
        assert {row.op_type for row in inspect_model(load_proto(model), load_target(target)).operators if row.prepared} == {"Add", "Mul"}


def test_parameters_and_macs() -> None:
    found = inspected(conv_net())
    assert found.parameters == 108 + 4 + 2560
    assert found.macs == 108 * 64 + 2560
    assert {row.op_type: row.macs for row in found.operators if row.macs} == {"Conv": 108 * 64, "Gemm": 2560}


def test_flash_is_four_bytes_a_float_and_one_a_code() -> None:
    found = inspected(conv_net())
    assert found.weight_bytes_float == 4 * found.parameters
    integer = {node.op_type for node in found.nodes if node.runs == "int8"}
    assert "Conv" in integer
    conv = 108 + 4 * 5 + 4 * 4  # codes, a scale and zero point a channel, int32 bias
    gemm = 2560 + 10 * 5 if "Gemm" in integer else 4 * 2560
    assert found.weight_bytes_int8 == conv + gemm


def test_dynamic_sizes_are_named_and_shapes_freeze_them() -> None:
    assert inspected(conv_net()).dynamic_dims == ("x[0] N",)
    assert inspected(conv_net(), {"x": (1, 3, 8, 8)}).dynamic_dims == ()


def test_float_nodes_have_reasons() -> None:
    found = inspected(conv_net())
    assert "no integer kernel for Exp" in {node.name: node.reason for node in found.nodes}["exp"]
    assert all(node.reason for node in found.nodes)


def test_operators_are_counted_as_filed_and_as_prepared() -> None:
    proto = text_model('<ir_version: 8, opset_import: ["": 13]> g (float[1, 4] x) => (float[1, 4] y) { a = Identity(x) y = Relu(a) }', {})
    rows = {row.op_type: (row.in_file, row.prepared) for row in inspected(proto).operators}
    assert rows == {"Identity": (1, 0), "Relu": (1, 1)}


def test_a_real_net() -> None:
    found = inspect_model(load_model(zoo_model("resnet8_cifar10")), load_target("cpu"))
    assert found.macs == pytest.approx(12.5e6, rel=0.01)
    assert found.parameters == pytest.approx(78e3, rel=0.01)
    assert found.weight_bytes_int8 < 0.3 * found.weight_bytes_float
    assert found.activation_bytes_int8 < 0.3 * found.activation_bytes_float


# ------------------------------------------------------------------ what lives at once


def test_a_chain_holds_two_values() -> None:
    assert peak_bytes(graph("a = Exp(x) b = Exp(a) y = Exp(b)"), frozenset()) == 2 * 400


def test_a_skip_connection_lives_until_it_is_added() -> None:
    assert peak_bytes(graph("a = Exp(x) b = Exp(a) y = Add(b, x)"), frozenset()) == 3 * 400


def test_int8_values_take_a_byte() -> None:
    assert peak_bytes(graph("a = Exp(x) b = Exp(a) y = Exp(b)"), frozenset({"x", "a", "b"})) == 100 + 400


def test_views_share_a_buffer() -> None:
    model = graph("a = Exp(x) b = Flatten(a) y = Exp(b)")
    assert peak_bytes(model, frozenset()) == 2 * 400


def test_a_view_keeps_its_buffer_alive() -> None:
    assert peak_bytes(graph("a = Exp(x) b = Flatten(a) c = Exp(x) y = Add(b, c)"), frozenset()) == 3 * 400


def test_an_output_lives_to_the_end() -> None:
    model = graph("a = Exp(x) b = Exp(a) y = Exp(b)")
    model.graph.outputs.append(next(iter(model.graph)).outputs[0])
    assert peak_bytes(model, frozenset()) == 3 * 400


def test_bodies_count_on_top() -> None:
    branch = "{0} = branch () => (float[1, 100] {1}) {{ {1}i = Exp(x) {1} = Exp({1}i) }}"
    body = f"y = If (c) <{branch.format('then_branch', 't')}, {branch.format('else_branch', 'e')}>"
    model = graph(body, "<bool c = {1}>")
    assert peak_bytes(model, frozenset()) == pytest.approx(400 + 400 + 800, abs=8)


# ------------------------------------------------------------------ what init writes


def test_the_recipe_template_is_the_default_recipe(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(recipe_template(load_proto(conv_net()).model), encoding="utf-8")
    assert load_recipe(path) == Recipe()


def test_the_recipe_template_is_valid_with_every_line_uncommented(tmp_path: Path) -> None:
    lines = recipe_template(load_proto(conv_net()).model).splitlines()
    keys = [line.removeprefix("# ") for line in lines if line.removeprefix("# ").split(" = ")[0] in {*Recipe.model_fields, "min_sqnr"}]
    given = {key.split(" = ")[0]: key for key in keys}  # the later, commented-out example wins
    path = tmp_path / "recipe.toml"
    path.write_text("\n".join(line for key, line in given.items() if key != "min_sqnr") + f"\n[floors]\n{given['min_sqnr']}\n")
    recipe = load_recipe(path)
    assert recipe.keep_float == ("Softmax", "head/*", "/block_[12]_/")
    assert recipe.floors.min_sqnr == 20.0


def test_every_recipe_key_is_in_the_template() -> None:
    text = recipe_template(load_proto(conv_net()).model)
    assert all(
        f"{key} = " in text
        for key in Recipe.model_fields
        if key not in ("floors", "codebook", "preprocessing", "finetune", "placement", "weight_format", "engine")
    )
    assert all(f"{key} = " in text for key in EngineWish.model_fields)
    assert all(f"{key} = " in text for key in PlacementWish.model_fields)
    assert all(f"{key} = " in text for key in Preprocessing.model_fields)
    assert all(f"{key} = " in text for key in CodebookWish.model_fields)


def test_an_operator_name_cannot_break_the_template(tmp_path: Path) -> None:
    model = load_proto(conv_net()).model
    next(iter(model.graph)).op_type = "Evil\nrule = 'kl'"
    path = tmp_path / "recipe.toml"
    path.write_text(recipe_template(model), encoding="utf-8")
    assert load_recipe(path) == Recipe()


def test_the_set_template_loads(tmp_path: Path) -> None:
    path = tmp_path / "set.toml"
    path.write_text(set_template(input_specs(load_proto(conv_net()).model)), encoding="utf-8")
    assert [entry.name for entry in read_set(path).input] == ["x"]


# ------------------------------------------------------------------ made-up feeds

SPECS = (InputSpec("x", "float32", ("N", 3)), InputSpec("ids", "int64", (1, None)))


def test_made_up_feeds_fit_and_repeat() -> None:
    first, second = (made_up_feeds(SPECS, {"ids": (1, 7)}) for _ in range(2))
    assert (first["x"].shape, first["x"].dtype) == ((1, 3), np.dtype("float32"))
    assert (first["ids"].shape, first["ids"].dtype) == ((1, 7), np.dtype("int64"))
    assert np.array_equal(first["x"], second["x"])


def test_a_size_that_nobody_gave_is_asked_for() -> None:
    with pytest.raises(BadRecipe, match="known only at run time") as caught:
        made_up_feeds(SPECS, {})
    assert 'shapes={"ids":' in caught.value.fix


def test_a_shape_for_no_input_is_refused() -> None:
    with pytest.raises(BadRecipe, match="no input 'y'"):
        made_up_feeds(SPECS, {"y": (1,), "ids": (1, 7)})
