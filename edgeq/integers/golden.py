"""Golden vectors: inputs and expected outputs of an integer-only target, from the interpreter."""

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

#: the time stamp of every zip entry: a constant, so that equal vectors give equal bytes
_EPOCH = (1980, 1, 1, 0, 0, 0)


def golden_vectors(model: ir.Model, dataset: Dataset, count: int, *, channels_last: bool = False) -> dict[str, AnyArray]:
    """Codes of the first `count` samples: in_NAME [count, ...] and out_NAME [count, ...].

    With channels_last the arrays are those of the .tflite form: int8 (raw pixels uint8), images as
    [N, H, W, C]. Otherwise they are those of the ONNX model.

    Raises UnsupportedOp for a model that is not integer throughout, and BadModel when an
    accumulator overflows int32.
    """
    machine = Interpreter(model)
    found: dict[str, list[AnyArray]] = {}
    for piece in dataset.batches(1, 0, min(count, dataset.count)):
        feeds = coded(model, piece.feeds)
        codes = {operand.name: _codes(feeds[operand.name], machine.input_grids.get(operand.name)) for operand in machine.graph.inputs}
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
    whole = {name: np.concatenate(arrays) if arrays[0].ndim else np.stack(arrays) for name, arrays in found.items()}
    pixels = {f"in_{name}" for name in pixel_inputs(model)}
    if not channels_last:
        return whole
    return {name: _as_tflite(array, name in pixels) for name, array in whole.items()}


def _as_tflite(array: AnyArray, pixels: bool) -> AnyArray:
    """Codes as int8 and channels last; indices as int32."""
    if array.dtype in (np.int64, np.int32):
        return array.astype(np.int32)
    return permuted(array if pixels else signed_codes(array))


def _codes(array: AnyArray, grid: QuantParams | None) -> AnyArray:
    return array if grid is None or array.dtype.kind in "iu" else quantize(array.astype(np.float32), grid)


def golden_bytes(vectors: Mapping[str, AnyArray], mark: str = "") -> bytes:
    """The vectors as the bytes of an .npz file; equal vectors give equal bytes.

    mark: the model that they belong to (edgeq/io/marks.py), which becomes the comment of the file.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in sorted(vectors.items()):
            entry = io.BytesIO()
            np.save(entry, array)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", _EPOCH), entry.getvalue(), zipfile.ZIP_DEFLATED)
        archive.comment = mark.encode()
    return buffer.getvalue()
