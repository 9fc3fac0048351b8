"""Limits of TOML and JSON: held before a parser sees the text, and in linear time."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import pytest

from edgeq.data.set_toml import read_set
from edgeq.errors import BadData, BadPlan, BadRecipe, BadTarget
from edgeq.io import limits
from edgeq.io.limits import MAX_JSON, MAX_STRING, MAX_TOML, check_toml, limited_text, most_json_bytes, most_model_bytes, parse_json
from edgeq.planning.weight_grids import symmetric_grid
from edgeq.schema.plan import Plan, load_plan
from edgeq.schema.recipe import load_recipe
from edgeq.schema.target import load_target
from edgeq.schema.weights import integer_weight

DEEP = 100_000


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (".".join(["a"] * DEEP) + " = 1", "16 parts"),
        (" . ".join(['"a b"', "'c'"] * 50) + " = 1", "16 parts"),
        ("[" + ".".join(["a"] * 40) + "]", "16 parts"),
        ("x = " + "[" * DEEP, "32 deep"),
        ("x = " + "{a=" * 60 + "1" + "}" * 60, "32 deep"),
        ("k" * 1000 + " = 1", "256 characters"),
        ("x = " + "9" * 5000, "256 characters"),
        ("# " + "a" * MAX_TOML, "characters"),
    ],
)
def test_toml_beyond_the_limits_is_refused(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        check_toml(text)


@pytest.mark.parametrize(
    "text",
    [
        'x = "' + "a." * 1000 + '"',
        "# " + "a." * 1000 + "[" * 100,
        'x = """\n' + "[{" * 100 + '"a" \\" ' + '"""',
        "x = '''" + "a." * 100 + "'''\ny = ['[[[', \"{{{\\\"\"]",
        "[input]\nscale = 0.00392156862745098\nfiles = ['a/b.c.d.png']",
    ],
)
def test_what_stands_in_texts_and_comments_is_not_counted(text: str) -> None:
    check_toml(text)


@pytest.mark.parametrize("opening", ['"""\\', "'''", '"\\', '"""', "'", '"'])
def test_texts_that_nothing_ends_take_linear_time(opening: str) -> None:
    check_toml("x = " + opening * (MAX_TOML // 8))


@pytest.mark.parametrize("load", [(load_recipe, BadRecipe), (load_target, BadTarget), (read_set, BadData)], ids=["recipe", "target", "set"])
@pytest.mark.parametrize("text", [".".join(["a"] * DEEP) + " = 1", "x = " + "[" * DEEP, "x = " + "1" * 200 + "\n", "x = [\n"])
def test_every_toml_of_a_user_is_held_to_them(load: tuple, text: str, tmp_path: Path) -> None:
    read, kind = load
    path = tmp_path / "set.toml"
    path.write_text(text)
    with pytest.raises(kind):
        read(str(path) if read is load_target else path)


@pytest.mark.parametrize(
    ("text", "says"),
    [("[" * DEEP, "32 deep"), ('{"a":' * 40 + "1" + "}" * 40, "32 deep"), ('{"' + "k" * (1 << 21) + '": 1}', "characters"), ("{", "EOF")],
)
def test_json_beyond_the_limits_is_refused(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_json(text)


@pytest.mark.parametrize("behind", ["}", ', "more": 1}', "\n}"])
def test_the_codes_of_a_large_weight_are_no_long_text(behind: str) -> None:
    codes = base64.b64encode(np.random.default_rng(0).bytes(MAX_STRING)).decode()
    assert len(codes) > MAX_STRING
    found = parse_json('{"codes": "' + codes + '"' + behind)
    assert isinstance(found, dict)
    assert found["codes"] == codes


@pytest.mark.parametrize("text", ['{"%s": 1}', '{"a": "%s", "b": "c d"}', '{"a": "%s!"}', '["%s"]'])
def test_a_long_text_that_is_no_code_is_refused(text: str) -> None:
    filler = " " if "c d" in text else "k"
    with pytest.raises(ValueError, match="characters"):
        parse_json(text % (filler * (MAX_STRING + 1)))


def test_a_plan_of_a_large_weight_is_read_back(tmp_path: Path) -> None:
    size = 1 << 20
    codes = np.random.default_rng(0).integers(-127, 128, (size,)).astype(np.int8)
    facts = load_target("cpu").weights
    weight = integer_weight(symmetric_grid(np.ones(1, np.float32), None, facts), "mse", "a test").with_codes(codes)
    plan = Plan(model="a", data="b", settings="c", target="cpu", recipe="d", opset=17, nodes={}, grids={}, weights={"n:1": weight})
    (tmp_path / "p.json").write_text(plan.to_json())
    back = load_plan(tmp_path / "p.json").weights["n:1"]
    assert back == weight


@pytest.mark.parametrize(("free", "most"), [(0, 2 << 30), (80 << 30, 20 << 30)])
def test_a_machine_with_much_memory_takes_larger_models(free: int, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "free_bytes", lambda: free)
    assert most_model_bytes() == most
    assert most_json_bytes() >= MAX_JSON


def test_brackets_in_texts_of_json_are_not_counted() -> None:
    assert parse_json('{"' + "[{" * 100 + '\\"[": ["]"]}') == {"[{" * 100 + '"[': ["]"]}


def test_a_plan_of_absurd_depth_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text('{"nodes": ' + "[" * DEEP)
    with pytest.raises(BadPlan, match="deep"):
        load_plan(tmp_path / "p.json")


def test_a_file_that_is_too_large_or_not_regular_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(b"a" * 100)
    with pytest.raises(ValueError, match="100 bytes"):
        limited_text(tmp_path / "big", 99)
    with pytest.raises(ValueError, match="regular"):
        limited_text(Path("/dev/zero"), 99)
