"""Boards that compute one operator by another rule: the operator is found, the rule is named."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import pytest

from edgeq.api import quantize
from edgeq.data.open import open_dataset
from edgeq.errors import BadData
from edgeq.graph.signature import input_specs
from edgeq.integers.boards import golden_values as golden_module
from edgeq.integers.boards.compare import compare_board
from edgeq.integers.boards.golden_values import PREFIX, as_codes, as_stored, parse_values, read_back, with_values
from edgeq.integers.boards.rules import RULES, WORDS, Rule, RuledMachine, recomputed
from edgeq.integers.golden import golden_vectors
from edgeq.integers.interpreter.fixed_point import multiplier
from edgeq.numerics.arrays import AnyArray
from edgeq.passes.boundary.float_boundary import FloatBoundary
from edgeq.schema.recipe import Recipe
from tests.cli_room import run
from tests.small_models import text_model

pytest.importorskip("tflite", reason="needs the extra [tflite]")

#: what boards compute: layers with biases and clamps, sums, products, means, movement
NET = """<ir_version: 8, opset_import: ["": 14]>
net (float[N, 3, 8, 8] x) => (float[N, 4] y) {
  [a] a = Conv<pads = [1, 1, 1, 1]>(x, w, wb)
  [ra] p = Relu(a)
  [b] b = Conv<pads = [1, 1, 1, 1]>(p, v, vb)
  [six] s = Clip(b, zero, six)
  [sum] t = Add(s, p)
  [mul] m = Mul(t, s)
  [pool] o = AveragePool<kernel_shape = [2, 2], strides = [2, 2]>(m)
  [swish] h = HardSwish(o)
  [mean] q = GlobalAveragePool(h)
  [flat] f = Flatten(q)
  [fc] y = Gemm(f, k, kb)
}"""


def net() -> onnx.ModelProto:
    rng = np.random.default_rng(0)
    shapes = {"w": (4, 3, 3, 3), "wb": (4,), "v": (4, 4, 3, 3), "vb": (4,), "k": (4, 4), "kb": (4,)}
    constants = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    return text_model(NET, {**constants, "zero": np.float32(0), "six": np.float32(6)})


def data() -> dict[str, AnyArray]:
    return {"x": np.random.default_rng(1).normal(size=(16, 3, 8, 8)).astype(np.float32)}


@cache
def golden(form: str) -> dict[str, AnyArray]:
    """Golden values of two samples; form: tflite, or of ONNX."""
    target = {"tflite": "mcu_tflite", "signed": "npu_int8", "unsigned": "dsp_int8", "shifts": "npu_pow2"}[form]
    model = quantize(net(), data(), target=target, recipe=Recipe(effort="fast"), prove=False).model
    floats = model.clone()
    FloatBoundary()(floats)
    vectors = golden_vectors(model, open_dataset(data(), input_specs(floats)), 2, channels_last=form == "tflite")
    return with_values(vectors, model, "tflite" if form == "tflite" else "onnx")


def board(form: str, place: int | None = None, rule: Rule | None = None) -> dict[str, AnyArray] | None:
    """What a board computes that follows the rule in one operator; None: it does not apply."""
    entries, found = golden(form), dict[str, list[AnyArray]]()
    document = parse_values(entries, "here")
    graph, operations = read_back(entries["model"].tobytes(), document.form)
    operands = {one.name: one for operation in operations for one in operation.outputs}
    for sample in range(document.samples):
        values = {one.name: as_codes(entries[PREFIX + one.name], document.values[one.name])[sample] for one in graph.inputs}
        for number, operation in enumerate(operations):
            made = recomputed(operation, values, rule if number == place else None)
            if made is None:
                return None
            values |= made
        for name, codes in values.items():
            if name in document.values:
                stored = as_stored(codes, operands[name]) if name in operands else entries[PREFIX + name][sample]
                found.setdefault(PREFIX + name, []).append(stored)
    return {name: np.stack(arrays) for name, arrays in found.items()}


@pytest.mark.parametrize("form", ["tflite", "signed", "unsigned"])
def test_a_board_that_computes_as_edgeq_does_not_differ(form: str) -> None:
    made = board(form)
    assert made is not None
    found = compare_board(golden(form), made)
    assert (found.first, found.missing, found.unknown, found.samples) == (None, (), (), 2)
    assert len(found.compared) == len(parse_values(golden(form), "here").values) > 8


def test_a_golden_file_that_comes_back_whole_has_nothing_unknown() -> None:
    found = compare_board(golden("tflite"), golden("tflite"))
    assert (found.first, found.missing, found.unknown) == (None, (), ())


@pytest.mark.parametrize("rule", RULES)
def test_the_operator_and_its_rule_are_found(rule: Rule) -> None:
    """In every operator whose codes the rule changes at all."""
    told = 0
    for form in ("tflite", "shifts") if rule == "no_clamp" else ("tflite",):  # clamps that no grid implies
        document = parse_values(golden(form), "here")
        for place, operator in enumerate(document.operators):
            made = board(form, place, rule)
            if made is None or all(np.array_equal(made[PREFIX + name], golden(form)[PREFIX + name]) for name in operator.outputs):
                continue
            first = compare_board(golden(form), made).first
            assert first is not None
            assert (first.place, first.operator, first.op_type) == (place, operator.name, operator.op_type)
            assert rule in first.rules, (operator, first.rules)
            assert first.output.name in operator.outputs
            assert tuple(one.name for one in first.inputs) == operator.inputs
            assert min(first.differing, first.largest) > 0
            told += 1
    assert told > 0


def test_rules_have_words() -> None:
    assert set(WORDS) == set(RULES)


def test_single_rounding_is_one_exact_shift() -> None:
    """Against whole numbers of any size: floor(x * mantissa / 2^shift + 1/2)."""
    sums = np.random.default_rng(0).integers(-(2**31), 2**31, 200)
    for factor in (0.7, 1e-3, 3.9e-6, 1.7, 2.0**-20):
        by = multiplier(factor)
        shift = 31 - int(by.exponent)
        wanted = [(int(x) * int(by.mantissa) + (1 << (shift - 1))) >> shift for x in sums]
        assert RuledMachine("fixed_point", {}, rule="single_rounding").scaled(sums, by).tolist() == wanted


def shifted(form: str, name: str, codes: int) -> dict[str, AnyArray]:
    """The golden values with other codes for one value, and none of what is computed of it."""
    made = {key: array.copy() for key, array in golden(form).items() if key.startswith(PREFIX)}
    made[PREFIX + name] = np.clip(made[PREFIX + name].astype(int) + codes, -128, 127).astype(np.int8)
    return made


def test_the_first_in_the_order_of_execution_is_named() -> None:
    names = [operator.outputs[0] for operator in parse_values(golden("tflite"), "here").operators]
    made = shifted("tflite", names[5], 3) | {PREFIX + names[2]: shifted("tflite", names[2], 2)[PREFIX + names[2]]}
    first = compare_board(golden("tflite"), made).first
    assert first is not None
    assert (first.place, first.largest, first.rules) == (2, 2, ())


def test_what_is_missing_is_no_fault_and_golden_codes_stand_in() -> None:
    document = parse_values(golden("tflite"), "here")
    last = len(document.operators) - 1
    made = board("tflite", last, "floor")
    assert made is not None
    output = document.operators[last].outputs[0]
    found = compare_board(golden("tflite"), {output: made[PREFIX + output]})  # a plain name serves too
    assert found.compared == (output,)
    assert found.first is not None
    assert "floor" in found.first.rules
    assert found.first.assumed == document.operators[last].inputs


def test_other_data_is_told_apart_from_another_kernel() -> None:
    (name,) = (name for name in parse_values(golden("tflite"), "here").values if name.startswith("x"))
    first = compare_board(golden("tflite"), shifted("tflite", name, 1)).first
    assert first is not None
    assert (first.place, first.op_type, first.rules) == (None, "input", ())


def test_fewer_samples_and_flat_arrays_fit() -> None:
    made = board("tflite")
    assert made is not None
    found = compare_board(golden("tflite"), {name: array[:1].reshape(-1) for name, array in made.items()} | {"other": np.zeros(3)})
    assert (found.first, found.samples, found.unknown) == (None, 1, ("other",))


@pytest.mark.parametrize(
    ("made", "told"),
    [
        ({}, "none of the golden"),
        ({"nothing_of_it": np.zeros(3, np.int8)}, "none of the golden"),
        ({"NAME": np.zeros((2, 5), np.int8)}, "has int8"),
        ({"NAME": np.zeros((2, 1, 8, 8, 4), np.float32)}, "has float32"),
        ({"NAME": np.full((2, 1, 8, 8, 4), 200, np.uint8)}, "has uint8"),
        ({"NAME": np.zeros((0, 1, 8, 8, 4), np.int8)}, "has int8"),
    ],
    ids=["empty", "foreign", "size", "floats", "unsigned", "no-sample"],
)
def test_boards_that_do_not_fit_are_refused(made: Mapping[str, AnyArray], told: str) -> None:
    name = parse_values(golden("tflite"), "here").operators[0].outputs[0]
    with pytest.raises(BadData, match=told):
        compare_board(golden("tflite"), {PREFIX + name if key == "NAME" else key: array for key, array in made.items()})


@pytest.mark.parametrize(
    "change",
    [
        lambda entries: {key: array for key, array in entries.items() if key not in ("values", "model")},
        lambda entries: {**entries, "values": np.frombuffer(b"{", np.uint8)},
        lambda entries: {**entries, "values": np.frombuffer(json.dumps({"version": 2}).encode(), np.uint8)},
        lambda entries: {key: array[:1] if key.startswith(PREFIX) else array for key, array in entries.items()},
    ],
    ids=["no-layers", "no-json", "version", "cut"],
)
def test_golden_files_that_are_none_are_refused(change: Callable[[Mapping[str, AnyArray]], dict[str, AnyArray]]) -> None:
    made = board("tflite")
    assert made is not None
    with pytest.raises(BadData):
        compare_board(change(golden("tflite")), made)


def test_a_golden_file_stays_within_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(golden_module, "LARGEST_BYTES", 1000)
    golden.cache_clear()
    with pytest.raises(BadData, match="more than"):
        golden("tflite")


def test_the_layout_is_what_the_file_says() -> None:
    """Version 1: the names, types, shapes and grids that a firmware's tool reads."""
    entries = golden("tflite")
    document = json.loads(entries["values"].tobytes())
    assert (document["version"], document["form"], document["samples"]) == (1, "tflite", 2)
    assert entries["model"].tobytes()[4:8] == b"TFL3"
    for name, value in document["values"].items():
        array = entries[f"value_{name}"]
        assert (str(array.dtype), array.shape) == (value["dtype"], (2, *value["shape"]))
        assert set(value["grid"]) == {"scale", "zero_point"}
    assert {one for operator in document["operators"] for one in operator["outputs"]} <= document["values"].keys()


def _declares_much(values: Mapping[str, AnyArray]) -> bytes:
    """An .npz file, one header of which declares 10^15 codes."""
    name, array = next(iter(values.items()))
    member, file = io.BytesIO(), io.BytesIO()
    np.save(member, array)
    declared = repr(array.shape).encode()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(f"{name}.npy", member.getvalue().replace(declared, b"(1000000000000000,)".ljust(len(declared)), 1))
    return file.getvalue()


def test_the_command_line_writes_and_compares(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    onnx.save(net(), tmp_path / "m.onnx")
    np.savez(tmp_path / "d.npz", **data())
    words = ("quantize", tmp_path / "m.onnx", "-d", tmp_path / "d.npz", "--target", "mcu_tflite", "--no-prove", "-q", "--force")
    words = (*words, "-o", tmp_path / "m.tflite")
    assert run(capsys, *words, "--layers").code == 2
    assert run(capsys, *words, "--golden", "2", "--layers").code == 0
    path = tmp_path / "m.golden.npz"
    first, entries = path.read_bytes(), dict(np.load(path))
    assert run(capsys, *words, "--golden", "2", "--layers").code == 0
    assert path.read_bytes() == first
    values = {name: array for name, array in entries.items() if name.startswith(PREFIX)}
    np.savez(tmp_path / "same.npz", **values)
    ran = run(capsys, "compare", path, tmp_path / "same.npz")
    assert (ran.code, "nothing differs" in ran.out) == (0, True)
    document, graph = parse_values(entries, "here"), read_back(entries["model"].tobytes(), "tflite")
    name = document.operators[0].outputs[0]
    given = {one.name: as_codes(entries[PREFIX + one.name], document.values[one.name])[0] for one in graph[1][0].inputs}
    made = recomputed(graph[1][0], given, "output_zero_point_higher")
    assert made is not None
    np.savez(tmp_path / "other.npz", **{**{key: array[:1] for key, array in values.items()}, PREFIX + name: made[name].astype(np.int8)})
    ran = run(capsys, "compare", path, tmp_path / "other.npz")
    assert (ran.code, name in ran.out, "zero point of the output is one too high" in ran.out) == (3, True, True)
    assert json.loads(run(capsys, "compare", path, tmp_path / "other.npz", "--json").out)["first"]["place"] == 0
    (tmp_path / "text.npz").write_text("no archive")
    (tmp_path / "short.npz").write_bytes(path.read_bytes()[:-400])
    cut = bytearray((tmp_path / "same.npz").read_bytes())
    cut[len(cut) // 2 : len(cut) // 2 + 64] = bytes(64)  # a member that its checksum does not fit
    (tmp_path / "other codes.npz").write_bytes(cut)
    (tmp_path / "huge.npz").write_bytes(_declares_much(values))
    for board_file in ("text.npz", "absent.npz", "short.npz", "other codes.npz", "huge.npz"):
        assert run(capsys, "compare", path, tmp_path / board_file).code == 2
    assert run(capsys, "compare", path, tmp_path / "same.npz", "-d", tmp_path / "d.npz").code == 2
    for pair in ((path, tmp_path / "m.tflite"), (tmp_path / "m.onnx", path)):
        assert "are both .npz files" in run(capsys, "compare", *pair).err
