"""General ONNX operators in torch: transposed convolution, norms, resizing, reductions, splits."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir
import torch
import torch.nn.functional as F  # noqa: N812  # torch's own name for it

from edgeq.graph.read import attribute_float, attribute_int, attribute_ints, constant
from edgeq.learn.operators.operands import Operands, Tensor, TorchOperator, refuse


def _transposed_conv(node: ir.Node, x: Operands) -> Tensor:
    """ConvTranspose: computed without padding, then cropped by `pads`.

    The padding argument of torch is the same at both ends of an axis, that of ONNX need not be.
    """
    space = x[1].dim() - 2
    auto = node.attributes.get_string("auto_pad", "NOTSET")
    if space not in (1, 2) or auto not in ("NOTSET", "VALID") or attribute_ints(node, "output_shape"):
        raise refuse(node, "of this form")
    ones = (1,) * space
    run = F.conv_transpose1d if space == 1 else F.conv_transpose2d
    stride, dilation = attribute_ints(node, "strides") or ones, attribute_ints(node, "dilations") or ones
    extra = attribute_ints(node, "output_padding") or (0,) * space
    whole = run(x[0], x[1], x.get(2), stride, 0, extra, attribute_int(node, "group", 1), dilation)
    pads = attribute_ints(node, "pads") or (0,) * (2 * space)
    for axis in range(space):
        size = whole.shape[axis + 2] - pads[axis] - pads[axis + space]
        whole = whole.narrow(axis + 2, pads[axis], size)
    return whole


def _constant(node: ir.Node, _: Operands) -> Tensor:
    array = constant(node.outputs[0])
    if array is None:
        raise refuse(node, "of this form")
    return torch.from_numpy(np.array(array))


def _batch_normalization(node: ir.Node, x: Operands) -> Tensor:
    if attribute_int(node, "training_mode", 0):
        raise refuse(node, "in training mode")
    result: Tensor = F.batch_norm(x[0], x[3], x[4], x[1], x[2], False, 0.0, attribute_float(node, "epsilon", 1e-5))
    return result


def _instance_normalization(node: ir.Node, x: Operands) -> Tensor:
    return F.instance_norm(x[0], weight=x[1], bias=x[2], eps=attribute_float(node, "epsilon", 1e-5))


def _axes(node: ir.Node, x: Operands) -> list[int] | None:
    """The axes of a node: an attribute up to opset 12 or 17, input 1 later; None: not given."""
    found = attribute_ints(node, "axes")
    return x.ints(1) if found is None and x.get(1) is not None else None if found is None else list(found)


def _squeeze(node: ir.Node, x: Operands) -> Tensor:
    axes = _axes(node, x)
    return x[0].squeeze() if axes is None else x[0].squeeze(tuple(axes))


def _reduced(by: Callable[[Tensor, list[int], bool], Tensor]) -> TorchOperator:
    def run(node: ir.Node, x: Operands) -> Tensor:
        axes = _axes(node, x)
        if not axes and attribute_int(node, "noop_with_empty_axes", 0):
            raise refuse(node, "of no axes")
        return by(x[0], axes or list(range(x[0].dim())), bool(attribute_int(node, "keepdims", 1)))

    return run


def _split(node: ir.Node, x: Operands) -> tuple[Tensor, ...]:
    axis, parts = attribute_int(node, "axis", 0), len(node.outputs)
    given = attribute_ints(node, "split") if x.get(1) is None else tuple(x.ints(1))
    return tuple(torch.split(x[0], -(-x[0].shape[axis] // parts) if given is None else list(given), axis))


def _depth_to_space(node: ir.Node, x: Operands) -> Tensor:
    block = attribute_int(node, "blocksize", 1)
    count, channels, high, wide = x[0].shape
    if node.attributes.get_string("mode", "DCR") == "CRD":
        result: Tensor = F.pixel_shuffle(x[0], block)
        return result
    apart = x[0].reshape(count, block, block, channels // block**2, high, wide)
    return apart.permute(0, 3, 4, 1, 5, 2).reshape(count, channels // block**2, high * block, wide * block)


# ------------------------------------------------------------------ Resize, axis by axis

COORDINATES = ("half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners")


def _resize(node: ir.Node, x: Operands) -> Tensor:
    """Resize in the modes nearest and linear, one axis after the other.

    As in the ONNX standard, every output position is mapped to a coordinate in the input.
    """
    mode = node.attributes.get_string("mode", "nearest")
    how = node.attributes.get_string("coordinate_transformation_mode", "half_pixel") or ""
    special = any(attribute_int(node, name, 0) for name in ("antialias", "exclude_outside")) or attribute_ints(node, "axes")
    if mode not in ("nearest", "linear") or special or how not in COORDINATES:
        raise refuse(node, "of this form")
    sizes, scales = x.get(3), x.get(2)
    result = x[0]
    for axis, size in enumerate(x[0].shape):
        if sizes is not None and sizes.numel():
            wanted = int(sizes[axis])
            scale = wanted / size
        else:
            scale = float(scales[axis]) if scales is not None else 1.0
            wanted = int(size * scale)
        if scale != 1.0:
            places = _coordinates(how, scale, size, wanted)
            result = _nearest(node, result, axis, places) if mode == "nearest" else _linear(result, axis, places)
    return result


def _coordinates(how: str, scale: float, size: int, wanted: int) -> Tensor:
    """The input coordinate of each output position along an axis.

    size, wanted: positions of the input and of the output. Returns float64 [wanted].
    """
    place = torch.arange(wanted, dtype=torch.float64)
    if how == "align_corners":
        return place * ((size - 1) / max(wanted - 1, 1))
    if how == "asymmetric":
        return place / scale
    if how == "pytorch_half_pixel" and wanted == 1:
        return place
    return (place + 0.5) / scale - 0.5


def _nearest(node: ir.Node, x: Tensor, axis: int, places: Tensor) -> Tensor:
    way = node.attributes.get_string("nearest_mode", "round_prefer_floor")
    ways = {"floor": torch.floor, "ceil": torch.ceil, "round_prefer_ceil": lambda at: torch.floor(at + 0.5)}
    chosen = ways.get(way or "", lambda at: torch.ceil(at - 0.5))(places)
    return x.index_select(axis, chosen.clamp(0, x.shape[axis] - 1).long())


def _linear(x: Tensor, axis: int, places: Tensor) -> Tensor:
    inside = places.clamp(0, x.shape[axis] - 1)
    first = inside.floor()
    shape = [1] * x.dim()
    shape[axis] = -1
    share = (inside - first).to(x.dtype).reshape(shape)
    low, high = first.long(), (first + 1).clamp(max=x.shape[axis] - 1).long()
    return x.index_select(axis, low) * (1 - share) + x.index_select(axis, high) * share


def _joined(of: Callable[[Tensor, Tensor], Tensor]) -> TorchOperator:
    def run(_: ir.Node, x: Operands) -> Tensor:
        result = x[0]
        for at in range(1, len(x.given)):
            result = of(result, x[at])
        return result

    return run


GENERAL_OPERATORS: dict[str, TorchOperator] = {
    "Abs": lambda _, x: torch.abs(x[0]),
    "BatchNormalization": _batch_normalization,
    "Ceil": lambda _, x: torch.ceil(x[0]),
    "Constant": _constant,
    "ConvTranspose": _transposed_conv,
    "DepthToSpace": _depth_to_space,
    "Dropout": lambda _, x: x[0],
    "Elu": lambda node, x: F.elu(x[0], attribute_float(node, "alpha", 1.0)),
    "Floor": lambda _, x: torch.floor(x[0]),
    "InstanceNormalization": _instance_normalization,
    "LeakyRelu": lambda node, x: F.leaky_relu(x[0], attribute_float(node, "alpha", 0.01)),
    "Log": lambda _, x: torch.log(x[0]),
    "Max": _joined(torch.maximum),
    "Min": _joined(torch.minimum),
    "Neg": lambda _, x: -x[0],
    "PRelu": lambda _, x: torch.where(x[0] < 0, x[0] * x[1], x[0]),
    "Pow": lambda _, x: torch.pow(x[0], x[1].to(x[0].dtype)),
    "Reciprocal": lambda _, x: torch.reciprocal(x[0]),
    "ReduceL2": _reduced(lambda x, axes, keep: torch.linalg.vector_norm(x, dim=axes, keepdim=keep)),
    "ReduceMax": _reduced(lambda x, axes, keep: torch.amax(x, axes, keep)),
    "ReduceMean": _reduced(lambda x, axes, keep: torch.mean(x, axes, keep)),
    "ReduceMin": _reduced(lambda x, axes, keep: torch.amin(x, axes, keep)),
    "ReduceSum": _reduced(lambda x, axes, keep: torch.sum(x, axes, keep)),
    "Resize": _resize,
    "Split": _split,
    "Sqrt": lambda _, x: torch.sqrt(x[0]),
    "Squeeze": _squeeze,
    "Sum": _joined(torch.add),
    "Tile": lambda _, x: x[0].repeat(x.ints(1)),
}
