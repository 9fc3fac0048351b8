"""Errors speak of arguments to those who call Python, and of options to those who type them."""

from __future__ import annotations

import inspect
import re
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import edgeq
from edgeq import api
from edgeq.cli.asked import _FLOORS, _RECIPE
from edgeq.errors import BadData, EdgeqError
from edgeq.python_words import in_python
from edgeq.schema.recipe import Recipe
from tests.small_models import conv_net


@pytest.mark.parametrize("key", [*_RECIPE, *_FLOORS])
def test_every_option_that_is_a_key_of_a_recipe_is_named_as_one(key: str) -> None:
    place = f"floors.{key}" if key in _FLOORS else key
    assert in_python(f"Leave --{key.replace('_', '-')} out.") == f"Leave `Recipe.{place}` out."
    assert place.split(".")[0] in Recipe.model_fields


@pytest.mark.parametrize("option", ["data", "validation", "target", "recipe", "plan", "work", "stats", "shape"])
def test_every_option_that_is_an_argument_is_named_as_one(option: str) -> None:
    name = re.sub("[`.]", "", in_python(f"--{option}."))
    assert name in inspect.signature(api.quantize).parameters


@pytest.mark.parametrize(
    "text",
    [
        "Quantize it: edgeq quantize MODEL --target mcu_tflite --data calib.npz -o model.tflite.",
        "`edgeq init MODEL --data FOLDER` writes one.",
        "Use --runtime litert.",
        "a -- b",
    ],
)
def test_commands_and_their_own_options_stay(text: str) -> None:
    assert in_python(text) == text


def test_both_faces_of_one_error() -> None:
    error = BadData("--data holds nothing.", "--shape x=1,?", "Add --effort best, or --inputs-as uint8.")
    assert str(error) == (
        '`data` holds nothing.\n  where: `shapes={"x": (1, ?)}`\n  fix:   Add `Recipe.effort="best"`, or `Recipe.inputs_as="uint8"`.'
    )
    assert error.options == ("--data holds nothing.", "--shape x=1,?", "Add --effort best, or --inputs-as uint8.")


def test_what_a_caller_of_python_sees(tmp_path: Path) -> None:
    for call in (lambda: edgeq.quantize(conv_net()), lambda: edgeq.quantize(conv_net(), tmp_path / "none.npz")):
        with pytest.raises(EdgeqError) as caught:
            call()
        assert "--" not in str(caught.value)
        assert "`data`" in str(caught.value)


def test_a_form_that_a_model_cannot_be_saved_in_is_named(tmp_path: Path) -> None:
    samples = {"x": np.random.default_rng(0).normal(size=(8, 3, 8, 8)).astype(np.float32)}
    made = edgeq.quantize(conv_net(), samples, recipe=edgeq.Recipe(effort="fast"), prove=False)
    for name in ("m.pt", "m", "m.ort"):
        with pytest.raises(EdgeqError, match=r"Use \.onnx or \.tflite"):
            made.save(tmp_path / name)
    if find_spec("tflite") is not None:
        with pytest.raises(EdgeqError, match="target of integers alone"):
            made.save(tmp_path / "m.tflite")
    assert list(tmp_path.iterdir()) == []
