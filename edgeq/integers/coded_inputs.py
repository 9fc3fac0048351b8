"""Convert float feeds to the codes or raw pixels that a quantized model takes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir

from edgeq.graph.code_grids import CODES, recorded_grid
from edgeq.numerics.arrays import AnyArray
from edgeq.numerics.grid import quantize
from edgeq.schema.pixels import PixelMap, pixel_key, recorded_map


def pixel_inputs(model: ir.Model) -> dict[str, PixelMap]:
    """The inputs that take raw pixels: name -> the pixel map recorded in the model's metadata."""
    found = {str(value.name): recorded_map(model.metadata_props.get(pixel_key(str(value.name)))) for value in model.graph.inputs}
    return {name: one for name, one in found.items() if one is not None}


def coded(model: ir.Model, feeds: Mapping[str, AnyArray]) -> dict[str, AnyArray]:
    """The feeds, with float arrays converted for inputs of codes.

    An input with a recorded pixel map gets pixels, one with a recorded grid gets codes. Feeds that
    are integers already, and inputs without a record, pass unchanged.
    """
    pixels = pixel_inputs(model)
    found = dict(feeds)
    for value in model.graph.inputs:
        name, array = str(value.name), feeds.get(str(value.name))
        grid = recorded_grid(model, name)
        if array is None or array.dtype.kind != "f" or value.dtype not in CODES:
            continue
        if name in pixels:
            found[name] = pixels[name].codes(array)
        elif grid is not None:
            found[name] = quantize(array.astype(np.float32), grid)
    return found
