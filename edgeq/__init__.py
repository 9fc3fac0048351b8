"""edgeq: a trained float ONNX model in, a proven int8 model for edge devices out.

The main functions are quantize, calibrate, prove, compare and convert; inspect, check and explain
answer questions. Recipe holds the settings, Quantized the result. The rest of the package is
imported when one of them is first used, so that `import edgeq` stays fast.

>>> import tempfile
>>> from pathlib import Path
>>> import edgeq
>>> from edgeq.data.shipped import shipped_model
>>> digits, recipe = shipped_model("digits"), edgeq.Recipe(rule="minmax", effort="fast", samples=32)

Measure statistics once for many runs, then make the int8 model with its plan and a report:

>>> statistics = edgeq.calibrate(digits, "digits", recipe=recipe)
>>> made = edgeq.quantize(digits, "digits", recipe=recipe, statistics=statistics, prove=False)
>>> isinstance(made, edgeq.Quantized), made.plan.recipe == recipe.hash
(True, True)

See what really runs in integers, and how far the outputs are from float:

>>> folder = tempfile.TemporaryDirectory()
>>> int8 = Path(folder.name) / "digits.int8.onnx"
>>> made.save(int8)
>>> {node.runs_as for node in edgeq.prove(int8).nodes if node.op_type == "Conv"}
{'int8'}
>>> edgeq.compare(digits, int8, "digits").outputs[0].sqnr_db > 25
True

Ask what a model would become, why a node is what it is, and what a chip does not allow:

>>> [last] = [node.name for node in edgeq.inspect(digits).nodes if node.op_type == "Gemm"]
>>> edgeq.explain(made, last)[0].op_type
'Gemm'
>>> edgeq.check(int8, "cpu")
()

With the extra `learn`, `edgeq.from_torch(module, example_inputs)` makes a model of a torch module.

Write a quantized model, of whatever tool, as TFLite with its own codes and grids:

>>> codes = edgeq.quantize(digits, "digits", target="mcu_tflite", recipe=recipe, prove=False).model
>>> edgeq.convert(codes, prove=False).changes
()
>>> folder.cleanup()

An error says where it happened, and how to fix it:

>>> try:
...     edgeq.quantize("nowhere.onnx", "digits")
... except edgeq.EdgeqError as error:
...     print(error)
There is no such file
  where: nowhere.onnx
  fix:   Check the path of the model.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from edgeq.version import __version__ as __version__

if TYPE_CHECKING:
    from edgeq.api import Quantized, calibrate, compare, prove, quantize
    from edgeq.errors import EdgeqError
    from edgeq.foreign.convert import convert
    from edgeq.learn.export import from_torch
    from edgeq.metrics.metric import Metric
    from edgeq.questions import check, explain, inspect
    from edgeq.schema.recipe import Recipe

__all__ = [
    "EdgeqError",
    "Metric",
    "Quantized",
    "Recipe",
    "calibrate",
    "check",
    "compare",
    "convert",
    "explain",
    "from_torch",
    "inspect",
    "prove",
    "quantize",
]

_HOMES = {
    "EdgeqError": "edgeq.errors",
    "Metric": "edgeq.metrics.metric",
    "check": "edgeq.questions",
    "explain": "edgeq.questions",
    "inspect": "edgeq.questions",
    "convert": "edgeq.foreign.convert",
    "from_torch": "edgeq.learn.export",
    "Recipe": "edgeq.schema.recipe",
}


def __getattr__(name: str) -> object:
    if name in __all__:
        found = getattr(import_module(_HOMES.get(name, "edgeq.api")), name)
        globals()[name] = found
        return found
    raise AttributeError(f"module 'edgeq' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
