"""edgeq: a trained float ONNX model in, a proven int8 model for edge devices out.

Each command has a function of its name: quantize, calibrate, prove, compare, palettize, finetune,
materialize, convert and init do something; inspect, check and explain answer questions. Recipe
holds the settings, a dict of its keys does as well; Quantized is the result, Metric a measure of
one's own. The rest of the package is imported when one of them is first used, so that
`import edgeq` stays fast.

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

Measure what counts for you; floors and searches then hold to it:

>>> def sure(outputs, labels):
...     return float((outputs.max(-1) > 5).mean())
>>> edgeq.compare(digits, int8, "digits", metric=edgeq.Metric("sure", sure)).accuracy.metric
'sure'

Ask what a model would become, why a node is what it is, and what a chip does not allow:

>>> [last] = [node.name for node in edgeq.inspect(digits).nodes if node.op_type == "Gemm"]
>>> edgeq.explain(made, last)[0].op_type
'Gemm'
>>> edgeq.check(int8, "cpu")
()

Store weights in 4 bits, and as plain floats again; write a recipe to start from:

>>> small = edgeq.palettize(digits, recipe={"codebook": {"bits": 4}})
>>> edgeq.materialize(small.model).weights > 0
True
>>> edgeq.init(digits, Path(folder.name) / "own").recipe.name
'recipe.toml'

With the extra `learn`, `edgeq.from_torch(module, example_inputs)` makes a model of a torch module,
and `edgeq.finetune(model, data)` trains the integers against the float model.

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
    from edgeq.few_bits.materialize import materialize
    from edgeq.few_bits.stored import palettize
    from edgeq.foreign.convert import convert
    from edgeq.learn.export import from_torch
    from edgeq.metrics.metric import Metric
    from edgeq.questions import check, explain, inspect
    from edgeq.schema.recipe import Recipe
    from edgeq.starting.start import init
    from edgeq.training import finetune

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
    "finetune",
    "from_torch",
    "init",
    "inspect",
    "materialize",
    "palettize",
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
    "finetune": "edgeq.training",
    "init": "edgeq.starting.start",
    "materialize": "edgeq.few_bits.materialize",
    "palettize": "edgeq.few_bits.stored",
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
