"""What a model that takes codes or raw pixels is fed, from the floats of its float model."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir

from edgeq.graph.code_grids import recorded_grid
from edgeq.numerics.arrays import AnyArray
from edgeq.numerics.grid import quantize
from edgeq.schema.pixels import PixelMap, pixel_key, recorded_map


def pixel_inputs(model: ir.Model) -> dict[str, PixelMap]:
    """The inputs that take raw pixels."""
    found = {str(value.name): recorded_map(model.metadata_props.get(pixel_key(str(value.name)))) for value in model.graph.inputs}
    return {name: one for name, one in found.items() if one is not None}


def coded(model: ir.Model, feeds: Mapping[str, AnyArray]) -> dict[str, AnyArray]:
    """The feeds, with codes or pixels for inputs of integers whose record tells what they mean."""
    pixels = pixel_inputs(model)
    found = dict(feeds)
    for value in model.graph.inputs:
        name, array = str(value.name), feeds.get(str(value.name))
        grid = recorded_grid(model, name)
        if array is None or array.dtype.kind != "f" or value.dtype not in (ir.DataType.INT8, ir.DataType.UINT8):
            continue
        if name in pixels:
            found[name] = pixels[name].codes(array)
        elif grid is not None:
            found[name] = quantize(array.astype(np.float32), grid)
    return found
