"""What a layer's weights are multiplied with: rows of its input, for convolutions the patches under
the kernel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.graph.macs import elements
from edgeq.graph.read import attribute_int, attribute_ints, constant, is_op
from edgeq.numerics.arrays import F32, AnyArray, Indices


@dataclass(frozen=True)
class Layer:
    """A layer with a constant weight, seen as `groups` matrix products of rows with `columns`
    numbers.

    kernel: shape of one weight row, (channels of the group, *spatial) or (columns,). outputs: rows
    of a group. positions: how many input rows one sample has, as far as is known before it runs.
    spread: of a ConvTranspose, which is a convolution, with strides of 1 and the kernel turned
    round, of its input with its numbers so many places apart and zeros between them: only every
    spread-th tap of a row meets anything else than zero.
    """

    node: str
    source: str
    groups: int
    kernel: tuple[int, ...]
    outputs: int
    positions: int = 1
    strides: tuple[int, ...] = ()
    dilations: tuple[int, ...] = ()
    pads: tuple[int, ...] = ()
    auto_pad: str = "NOTSET"
    spread: tuple[int, ...] = ()

    @property
    def columns(self) -> int:
        return int(np.prod(self.kernel))

    @property
    def depthwise(self) -> bool:
        """Whether each channel has one input and one output: onnxruntime's kernels for that never
        add neighbours in int16.
        """
        return self.groups > 1 and self.kernel[0] == 1 and self.outputs == 1


def layer_of(node: ir.Node, weight_index: int = 1) -> Layer | None:
    """The Layer of a Conv, ConvTranspose, Gemm or MatMul that multiplies rows of its input with a
    constant matrix; None for every other node, and for a ConvTranspose of groups, whose scales
    along axis 1 are those of several outputs."""
    source = node.inputs[0] if node.inputs else None
    weight = constant(node.inputs[weight_index]) if len(node.inputs) > weight_index else None
    if source is None or weight is None or constant(source) is not None:
        return None
    if is_op(node, "Gemm", "MatMul"):
        if weight.ndim != 2 or attribute_int(node, "transA", 0):
            return None
        transposed = is_op(node, "Gemm") and attribute_int(node, "transB", 0)
        columns, outputs = weight.shape[::-1] if transposed else weight.shape
        return Layer(str(node.name), str(source.name), 1, (columns,), outputs, elements(source) // columns)
    if is_op(node, "ConvTranspose"):
        return _transposed(node, source, weight)
    if not is_op(node, "Conv"):
        return None
    spatial, groups = weight.ndim - 2, attribute_int(node, "group", 1)
    return Layer(
        node=str(node.name),
        source=str(source.name),
        groups=groups,
        kernel=tuple(weight.shape[1:]),
        outputs=weight.shape[0] // groups,
        positions=elements(node.outputs[0]) // weight.shape[0],
        strides=attribute_ints(node, "strides") or (1,) * spatial,
        dilations=attribute_ints(node, "dilations") or (1,) * spatial,
        pads=attribute_ints(node, "pads") or (0,) * (2 * spatial),
        auto_pad=node.attributes.get_string("auto_pad", "NOTSET"),
    )


def _transposed(node: ir.Node, source: ir.Value, weight: AnyArray) -> Layer | None:
    spatial = weight.ndim - 2
    strides, dilations = (attribute_ints(node, name) or (1,) * spatial for name in ("strides", "dilations"))
    pads, extra = attribute_ints(node, "pads") or (0,) * (2 * spatial), attribute_ints(node, "output_padding") or (0,) * spatial
    reach = [(k - 1) * d for k, d in zip(weight.shape[2:], dilations, strict=True)]
    begins = [r - pad for r, pad in zip(reach, pads[:spatial], strict=True)]
    ends = [r - pad + more for r, pad, more in zip(reach, pads[spatial:], extra, strict=True)]
    explicit = node.attributes.get_string("auto_pad", "NOTSET") == "NOTSET" and "output_shape" not in node.attributes
    if attribute_int(node, "group", 1) != 1 or not explicit or min((*begins, *ends), default=0) < 0:
        return None
    return Layer(
        node=str(node.name),
        source=str(source.name),
        groups=1,
        kernel=(weight.shape[0], *weight.shape[2:]),
        outputs=weight.shape[1],
        positions=elements(node.outputs[0]) // weight.shape[1],
        strides=(1,) * spatial,
        dilations=dilations,
        pads=(*begins, *ends),
        spread=strides,
    )


def weight_rows(weight: AnyArray, node: ir.Node, layer: Layer) -> F32:
    """The weight as [groups, rows of the group, columns]."""
    array = np.asarray(weight, np.float32)
    if is_op(node, "Conv"):
        return array.reshape(layer.groups, -1, layer.columns)
    if is_op(node, "ConvTranspose"):
        return np.ascontiguousarray(np.moveaxis(array, 1, 0)).reshape(1, -1, layer.columns)
    matrix = array if is_op(node, "Gemm") and attribute_int(node, "transB", 0) else array.T
    return np.ascontiguousarray(matrix)[None]


def from_rows(rows: AnyArray, node: ir.Node, shape: tuple[int, ...]) -> AnyArray:
    """The inverse of weight_rows."""
    if is_op(node, "Conv"):
        return rows.reshape(shape)
    if is_op(node, "ConvTranspose"):
        return np.ascontiguousarray(np.moveaxis(rows.reshape(shape[1], shape[0], *shape[2:]), 0, 1))
    matrix = rows[0]
    return matrix if is_op(node, "Gemm") and attribute_int(node, "transB", 0) else np.ascontiguousarray(matrix.T)


def rows_of(layer: Layer, value: F32, quota: int, chance: np.random.Generator) -> F32:
    """At most about `quota` rows of one sample, drawn without putting back: [groups, rows,
    columns].
    """
    if not layer.strides:
        rows = value.reshape(-1, layer.columns)
        return rows[_draw(len(rows), quota, chance)][None]
    spatial = len(layer.strides)
    value = value.reshape(-1, *value.shape[-1 - spatial :])  # iterations of a loop around the layer come stacked
    value = _spread(value, layer.spread) if layer.spread else value
    padded = np.pad(value, _padding(layer, value.shape))
    extent = [(k - 1) * d + 1 for k, d in zip(layer.kernel[1:], layer.dilations, strict=True)]
    view = np.lib.stride_tricks.sliding_window_view(padded, extent, axis=tuple(range(2, 2 + spatial)))
    steps = [slice(None, None, s) for s in layer.strides]
    taps = [slice(None, None, d) for d in layer.dilations]
    view = view[(slice(None), slice(None), *steps, *taps)]  # [N, C, positions..., kernel...]
    shape = (value.shape[0], *view.shape[2 : 2 + spatial])
    places = np.unravel_index(_draw(int(np.prod(shape)), quota, chance), shape)
    picked = np.moveaxis(view, 1, 1 + spatial)[places]  # [rows, C, kernel...]
    if layer.spread:
        picked = np.flip(picked, tuple(range(2, 2 + spatial)))
    patches = picked.reshape(len(picked), layer.groups, layer.columns)
    return np.ascontiguousarray(np.swapaxes(patches, 0, 1))


def _spread(value: F32, places: tuple[int, ...]) -> F32:
    """[N, C, sizes...] with zeros between neighbours."""
    sizes = [(size - 1) * by + 1 for size, by in zip(value.shape[2:], places, strict=True)]
    found = np.zeros((*value.shape[:2], *sizes), np.float32)
    found[(slice(None), slice(None), *(slice(None, None, by) for by in places))] = value
    return found


def _draw(count: int, quota: int, chance: np.random.Generator) -> Indices:
    if count <= quota:
        return np.arange(count)
    return np.sort(chance.choice(count, quota, replace=False))


def _padding(layer: Layer, shape: tuple[int, ...]) -> list[tuple[int, int]]:
    spatial = len(layer.strides)
    if not layer.auto_pad.startswith("SAME"):
        ends = zip(layer.pads[:spatial], layer.pads[spatial:], strict=True)
        return [(0, 0), (0, 0), *ends]
    found = [(0, 0), (0, 0)]
    for size, k, s, d in zip(shape[2:], layer.kernel[1:], layer.strides, layer.dilations, strict=True):
        total = max((-(-size // s) - 1) * s + (k - 1) * d + 1 - size, 0)
        less = total // 2
        found.append((less, total - less) if layer.auto_pad == "SAME_UPPER" else (total - less, less))
    return found
