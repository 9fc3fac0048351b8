"""The sliding windows of convolutions and pools: kernel, strides and padding."""

from __future__ import annotations

from dataclasses import dataclass

from edgeq.graph.read import attribute_int, attribute_ints
from edgeq.integers.graph import IntegerOp
from edgeq.integers.operands import refused, shape_of


@dataclass(frozen=True)
class ImageWindow:
    """A window over an image; every pair is (height, width)."""

    #: size of the window in elements
    kernel: tuple[int, int]
    strides: tuple[int, int]
    dilations: tuple[int, int]
    #: padding before the first row and column
    begins: tuple[int, int]
    #: padding after the last row and column, including what ceil_mode adds
    ends: tuple[int, int]

    @property
    def padded(self) -> bool:
        return any((*self.begins, *self.ends))


def window_of(step: IntegerOp, kernel: tuple[int, ...]) -> ImageWindow:
    """The window of a convolution or pool over its first input, auto_pad and ceil_mode resolved.

    Raises UnsupportedOp unless there are two spatial axes of known size.
    """
    node, first = step.node, step.inputs[0]
    assert first is not None
    sizes = shape_of(first, step)[2:]
    if len(sizes) != 2 or len(kernel) != 2:
        why = f"it works on {len(sizes)} spatial axes, TFLite's on height and width (target mcu_tflite gives one axis a second one)"
        raise refused(step, why)
    strides = attribute_ints(node, "strides") or (1, 1)
    dilations = attribute_ints(node, "dilations") or (1, 1)
    mode = node.attributes.get_string("auto_pad", "NOTSET")
    pads = attribute_ints(node, "pads") or (0, 0, 0, 0)
    begins, ends = [], []
    for axis in (0, 1):
        reach = (kernel[axis] - 1) * dilations[axis] + 1
        if mode.startswith("SAME"):
            total = same_total(sizes[axis], reach, strides[axis])
            less, more = total // 2, total - total // 2
            begin, end = (less, more) if mode == "SAME_UPPER" else (more, less)
        else:
            begin, end = (0, 0) if mode == "VALID" else (pads[axis], pads[axis + 2])
        if attribute_int(node, "ceil_mode", 0):
            wanted = shape_of(step.outputs[0], step)[axis + 2]
            end = max(end, (wanted - 1) * strides[axis] + reach - sizes[axis] - begin)
        begins.append(begin)
        ends.append(end)
    pair = [(int(a), int(b)) for a, b in (kernel, strides, dilations, begins, ends)]
    return ImageWindow(*pair)


def same_total(size: int, reach: int, stride: int) -> int:
    """The padding that TFLite's SAME adds at both ends together.

    The smaller half is at the beginning.
    """
    return max((-(-size // stride) - 1) * stride + reach - size, 0)


def is_same(window: ImageWindow, sizes: tuple[int, ...]) -> bool:
    """Whether TFLite's SAME gives exactly this padding for an image of `sizes` (height, width)."""
    for axis in (0, 1):
        reach = (window.kernel[axis] - 1) * window.dilations[axis] + 1
        total = same_total(sizes[axis], reach, window.strides[axis])
        if (window.begins[axis], window.ends[axis]) != (total // 2, total - total // 2):
            return False
    return True
