"""edgeq: a trained float ONNX model in, a proven int8 model for the edge out.

quantize, calibrate, prove and compare are the story; Recipe says how, Quantized is what comes of
it. The rest of the package is imported when one of them is first used, so that `import edgeq` stays
light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from edgeq.version import __version__ as __version__

if TYPE_CHECKING:
    from edgeq.api import Quantized, calibrate, compare, prove, quantize
    from edgeq.errors import EdgeqError
    from edgeq.schema.recipe import Recipe

__all__ = ["EdgeqError", "Quantized", "Recipe", "calibrate", "compare", "prove", "quantize"]

_HOMES = {"EdgeqError": "edgeq.errors", "Recipe": "edgeq.schema.recipe"}


def __getattr__(name: str) -> object:
    if name in __all__:
        found = getattr(import_module(_HOMES.get(name, "edgeq.api")), name)
        globals()[name] = found
        return found
    raise AttributeError(f"module 'edgeq' has no attribute {name!r}")
