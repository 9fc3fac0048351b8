"""Outputs whose codes come back as an input at the next run: one grid serves both."""

from __future__ import annotations

from collections.abc import Iterable

import onnx_ir as ir

from edgeq.errors import BadRecipe
from edgeq.graph.code_grids import recorded_grid

#: the option that names them
OPTION = "--tie"


def fed_back(model: ir.Model, words: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """The output and the input of each word OUT=IN.

    Raises BadRecipe for names that the model lacks, for types or shapes that do not fit each other,
    for an input of raw pixels, and for an input that is tied twice.

    >>> from edgeq.testing.pass_models import named_model
    >>> fed_back(named_model("lines"), ())
    ()
    """
    inputs, outputs = ({str(value.name): value for value in ends} for ends in (model.graph.inputs, model.graph.outputs))
    found: dict[str, str] = {}
    for word in words:
        out, name = _names(word, inputs, outputs)
        source, target = outputs[out], inputs[name]
        if source.dtype != ir.DataType.FLOAT or source.dtype != target.dtype:
            raise BadRecipe(f"{out!r} is {source.dtype} and {name!r} is {target.dtype}: only float values have grids.", _where(word), _FIX)
        if not _fits(source, target):
            raise BadRecipe(f"{out!r} has shape {source.shape} and {name!r} {target.shape}: one cannot be the other.", _where(word), _FIX)
        if recorded_grid(model, name) is not None:
            raise BadRecipe(f"{name!r} takes raw pixels, whose grid is fixed.", _where(word), "Tie another input, or leave inputs_as out.")
        if name in found:
            raise BadRecipe(f"{name!r} is tied to {found[name]!r} already.", _where(word), "Tie each input to one output.")
        found[name] = out
    return tuple((out, name) for name, out in found.items())


_FIX = "Name an output and the input that it is fed to at the next run: OUT=IN."


def _where(word: str) -> str:
    return f"{OPTION} {word}"


def _names(word: str, inputs: dict[str, ir.Value], outputs: dict[str, ir.Value]) -> tuple[str, str]:
    """The output and the input of a word; the names may hold = themselves."""
    places = [at for at, letter in enumerate(word) if letter == "="]
    fits = [(word[:at], word[at + 1 :]) for at in places if word[:at] in outputs and word[at + 1 :] in inputs]
    if len(fits) == 1:
        return fits[0]
    listed = f"outputs {', '.join(outputs) or 'none'}; inputs {', '.join(inputs) or 'none'}"
    raise BadRecipe(f"{word!r} does not name an output and an input of the model.", _where(word), f"Write OUT=IN. The model has {listed}.")


def _fits(output: ir.Value, given: ir.Value) -> bool:
    if output.shape is None or given.shape is None:
        return True
    pairs = zip(output.shape, given.shape, strict=False)
    return len(output.shape) == len(given.shape) and all(a == b for a, b in pairs if isinstance(a, int) and isinstance(b, int))
