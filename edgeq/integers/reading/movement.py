"""Read the operators of .tflite files that move, choose or join elements."""

from __future__ import annotations

import numpy as np

from edgeq.integers.graph import Operand
from edgeq.integers.reading.builder import Builder
from edgeq.numerics.nearest_pixels import tflite_pixels


def shaped(builder: Builder) -> None:
    """RESHAPE, SQUEEZE, EXPAND_DIMS: the tensors say the shape."""
    builder.add("Reshape", [builder.input(0)], builder.outputs)


def transpose(builder: Builder) -> None:
    builder.plain("Transpose", {"perm": builder.listed(1)})


def pad(builder: Builder) -> None:
    """PAD and PADV2: the code of 0, or a code that is given."""
    amounts = builder.constant("amounts", np.ascontiguousarray(builder.numbers(1).T).reshape(-1))
    fill = builder.input(2) if len(builder.inputs) > 2 else None
    if fill is not None and (fill.data is None or fill.data.size != 1):
        raise builder.refused("its fill is not a constant")
    builder.plain("Pad", None, amounts, fill)


def mirror_pad(builder: Builder) -> None:
    if builder.option("Mode") != 0:
        raise builder.refused("its mode is SYMMETRIC")
    builder.plain("Pad", {"mode": "reflect"}, builder.constant("amounts", np.ascontiguousarray(builder.numbers(1).T).reshape(-1)))


def strided_slice(builder: Builder) -> None:
    """STRIDED_SLICE with the masks that leave an end open; SLICE has sizes in place of ends."""
    shape = builder.input(0).shape or ()
    begin, end, by = (builder.listed(number) for number in (1, 2, 3))
    if any(builder.option(mask) for mask in ("EllipsisMask", "NewAxisMask", "Offset")) or len(begin) != len(shape):
        raise builder.refused("it has an ellipsis, new axes or offsets")
    shrunk = builder.option("ShrinkAxisMask")
    for axis, size in enumerate(shape):
        if shrunk >> axis & 1:
            begin[axis] += size if begin[axis] < 0 else 0
            end[axis] = begin[axis] + 1
            continue
        begin[axis] = 0 if builder.option("BeginMask") >> axis & 1 else begin[axis]
        end[axis] = size if builder.option("EndMask") >> axis & 1 else end[axis]
    _slice(builder, begin, end, by)


def plain_slice(builder: Builder) -> None:
    """SLICE: where it begins, and sizes, of which -1 is all that is left."""
    shape, (begin, sizes) = builder.input(0).shape or (), (builder.listed(number) for number in (1, 2))
    end = [full if size < 0 else start + size for start, size, full in zip(begin, sizes, shape, strict=True)]
    _slice(builder, begin, end, [1] * len(shape))


def _slice(builder: Builder, begin: list[int], end: list[int], by: list[int]) -> None:
    source, output = builder.input(0), builder.outputs[0]
    shape = source.shape or ()
    cut = [len(range(*slice(a, b, c).indices(size))) if c > 0 else -1 for a, b, c, size in zip(begin, end, by, shape, strict=True)]
    if -1 in cut or cut[:1] != list(shape[:1]):
        raise builder.refused("it walks backwards, or leaves samples out")
    bounds = [builder.constant(word, np.array(numbers, np.int64)) for word, numbers in (("begin", begin), ("end", end))]
    bounds += [builder.constant("axes", np.arange(len(shape))), builder.constant("steps", np.array(by, np.int64))]
    if tuple(cut) == output.shape:
        builder.add("Slice", [source, *bounds], [output])
        return
    part = builder.scratch(output, tuple(cut))
    builder.add("Slice", [source, *bounds], [part])
    builder.add("Reshape", [part], [output])


def split(builder: Builder, source: int, axis: int) -> None:
    """SPLIT and SPLIT_V: the tensors say the sizes."""
    builder.add("Split", [builder.input(source)], builder.outputs, {"axis": int(builder.numbers(axis).item())})


def concat(builder: Builder) -> None:
    builder.add("Concat", builder.inputs, builder.outputs, {"axis": builder.option("Axis")}, builder.clamp())


def expand(builder: Builder, op_type: str) -> None:
    """BROADCAST_TO and TILE: the tensors say the shape."""
    builder.add(op_type, [builder.input(0)], builder.outputs)


def gather(builder: Builder) -> None:
    """GATHER; from a table of 256 codes by codes that were made whole numbers, a Lookup."""
    if builder.option("BatchDims"):
        raise builder.refused("it has batch dimensions")
    index = builder.input(1)
    code = builder.lifted.get(index.name)
    table = builder.input(0).data
    if code is not None and table is not None and table.shape == (256,):
        # the file's table begins with the lowest code, the step's with 0
        builder.add("Lookup", [code, builder.constant("table", np.roll(table, -128))], builder.outputs)
        return
    builder.plain("Gather", {"axis": builder.option("Axis")}, index)


def arg(builder: Builder, op_type: str) -> None:
    """ARG_MAX and ARG_MIN, which drop their axis."""
    builder.plain(op_type, {"axis": int(builder.numbers(1).item()), "keepdims": 0})


def space(builder: Builder, op_type: str) -> None:
    """DEPTH_TO_SPACE and SPACE_TO_DEPTH, whose channels lie as in ONNX's mode DCR."""
    builder.image(op_type, builder.input(0), [], {"blocksize": builder.option("BlockSize", 1)})


def nearest(builder: Builder) -> None:
    """RESIZE_NEAREST_NEIGHBOR: the rows and columns that TFLite chooses."""
    source, output = builder.input(0), builder.outputs[0]
    before, behind = source.shape or (), output.shape or ()
    if len(before) != 4 or len(behind) != 4:
        raise builder.refused("it does not work on images")
    flags = bool(builder.option("AlignCorners")), bool(builder.option("HalfPixelCenters"))
    rows, columns = (builder.constant("pixels", np.array(tflite_pixels(*flags, before[axis], behind[axis]))) for axis in (1, 2))
    middle = builder.scratch(output, (before[0], behind[1], before[2], before[3]))
    builder.add("Gather", [source, rows], [middle], {"axis": 1})
    builder.add("Gather", [middle, columns], [output], {"axis": 2})


def linear(builder: Builder) -> None:
    """RESIZE_BILINEAR."""
    flags = bool(builder.option("AlignCorners")), bool(builder.option("HalfPixelCenters"))
    where = {(True, False): "align_corners", (False, True): "half_pixel", (False, False): "asymmetric"}.get(flags)
    if where is None:
        raise builder.refused("its flags contradict each other")
    builder.image("Resize", builder.input(0), [], {"mode": "linear", "coordinate_transformation_mode": where})


def cast(builder: Builder) -> None:
    """CAST of whole numbers; of codes, where a table is gathered from by them (see gather)."""
    source, output = builder.input(0), builder.outputs[0]
    if source.is_index and output.is_index:
        builder.plain("Cast")
    elif source.grid is not None and source.dtype == "int8" and output.is_index:
        builder.cast[output.name] = source
    else:
        raise builder.refused(f"it makes {output.dtype} of {source.dtype}")


def lift(builder: Builder, whole: Operand) -> None:
    """ADD of 128 to codes that were made whole numbers: what a table of 256 codes is indexed by."""
    code = builder.cast.get(whole.name)
    if code is None or not np.array_equal(builder.numbers(1).reshape(-1), [128]):
        raise builder.refused("it adds whole numbers")
    builder.lifted[builder.outputs[0].name] = code
