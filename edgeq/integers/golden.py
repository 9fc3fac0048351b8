"""Golden vectors: what goes in and what must come out of an integer-only chip, code by code, from
the reference interpreter.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

import numpy as np
import onnx_ir as ir

from edgeq.data.dataset import Dataset
from edgeq.errors import BadModel
from edgeq.integers.coded_inputs import coded, pixel_inputs
from edgeq.integers.run import Interpreter
from edgeq.integers.signed import signed_codes
from edgeq.integers.tflite.layout import permuted
from edgeq.numerics.arrays import AnyArray
from edgeq.numerics.grid import QuantParams, quantize

#: fixed, so that the same vectors give the same file (zip's own epoch)
_EPOCH = (1980, 1, 1, 0, 0, 0)


def golden_vectors(model: ir.Model, dataset: Dataset, count: int, *, channels_last: bool = False) -> dict[str, AnyArray]:
    """Codes of the first `count` samples: in_NAME [count, ...] and out_NAME [count, ...].

    channels_last: as the .tflite form takes and gives them, int8 (raw pixels uint8) [N, H, W, C];
    else as the ONNX model does.

    Raises UnsupportedOp for a model that is not integers throughout, BadModel when a sum leaves
    int32.
    """
    machine = Interpreter(model)
    found: dict[str, list[AnyArray]] = {}
    for piece in dataset.batches(1, 0, min(count, dataset.count)):
        feeds = coded(model, piece.feeds)
        codes = {name: _codes(feeds[name], grid) for name, grid in machine.input_grids.items()}
        ran = machine.run(codes)
        if ran.overflows:
            first = ran.overflows[0]
            what = f"A sum of {first.largest} leaves int32."
            raise BadModel(
                what, f"node {first.node}", "Keep it on a target with wider sums, or widen its weight scale: --weights per_channel."
            )
        for name, array in codes.items():
            found.setdefault(f"in_{name}", []).append(array)
        for name, array in ran.outputs.items():
            found.setdefault(f"out_{name}", []).append(array)
    whole = {name: np.concatenate(arrays) for name, arrays in found.items()}
    pixels = {f"in_{name}" for name in pixel_inputs(model)}
    return {name: permuted(array if name in pixels else signed_codes(array)) for name, array in whole.items()} if channels_last else whole


def _codes(array: AnyArray, grid: QuantParams) -> AnyArray:
    return array if array.dtype.kind in "iu" else quantize(array.astype(np.float32), grid)


def golden_bytes(vectors: Mapping[str, AnyArray]) -> bytes:
    """An .npz of them; the same vectors give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in sorted(vectors.items()):
            entry = io.BytesIO()
            np.save(entry, array)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", _EPOCH), entry.getvalue(), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
