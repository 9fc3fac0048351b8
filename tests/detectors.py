"""Small detectors whose outputs join parts of very different range, and how far they are off."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import onnx
import onnx_ir as ir
from onnx import TensorProto, helper, numpy_helper

from edgeq.numerics.arrays import F32, AnyArray
from edgeq.runtimes.ort import open_session

SIDE, CLASSES = 16, 20


@dataclass
class Net:
    """A net of 16 channels on an image [1, 3, 16, 16], to which heads are added."""

    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(5))
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Add the backbone."""
        self.conv("image", "f0", 3, 16, kernel=3, spread=0.3)
        self.add("Relu", "f0", "f")

    def add(self, op_type: str, inputs: str, output: str, **attributes: object) -> str:
        """Add a node; inputs and outputs are names separated by spaces."""
        self.nodes.append(helper.make_node(op_type, inputs.split(), output.split(), name=f"{op_type}_{output.split()[0]}", **attributes))
        return output.split()[0]

    def constant(self, name: str, array: object, dtype: type = np.float32) -> str:
        """Add a constant."""
        self.constants.append(numpy_helper.from_array(np.asarray(array, dtype), name))
        return name

    def conv(self, source: str, output: str, channels: int, out: int, *, kernel: int = 1, spread: float = 0.4, bias: float = 0.0) -> str:
        """Add a Conv of stride 1."""
        weight = self.constant(f"{output}_w", self.rng.normal(size=(out, channels, kernel, kernel)) * spread)
        shift = self.constant(f"{output}_b", self.rng.normal(size=out) * 0.5 + bias)
        return self.add("Conv", f"{source} {weight} {shift}", output, kernel_shape=[kernel] * 2, pads=[kernel // 2] * 4)

    def reshape(self, source: str, output: str, shape: list[int]) -> str:
        """Add a Reshape."""
        return self.add("Reshape", f"{source} {self.constant(f'{output}_shape', shape, np.int64)}", output)

    def boxes(self, output: str = "boxes", scale: float = 640.0, feature: str = "f") -> str:
        """Four coordinates in 0..scale for each place, [1, 4, 16, 16]."""
        self.conv(feature, f"{output}_raw", 16, 4)
        self.add("Sigmoid", f"{output}_raw", f"{output}_unit")
        return self.add("Mul", f"{output}_unit {self.constant(f'{output}_scale', scale)}", output)

    def scores(self, output: str = "scores", classes: int = CLASSES, feature: str = "f") -> str:
        """Class scores in 0..1 for each place, [1, classes, 16, 16]."""
        self.conv(feature, f"{output}_raw", 16, classes, bias=-1.0)
        return self.add("Sigmoid", f"{output}_raw", output)

    def model(self, shape: list[int], output: str = "out") -> ir.Model:
        """The model with one output."""
        given = [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, SIDE, SIDE])]
        made = [helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)]
        graph = helper.make_graph(self.nodes, "net", given, made, self.constants)
        proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        onnx.checker.check_model(proto, full_check=True)
        return ir.from_proto(proto)


def concat_then_reshape() -> tuple[ir.Model, AnyArray]:
    """[1, 24, 256]: boxes in pixels and scores, joined as feature maps."""
    net = Net()
    net.add("Concat", f"{net.boxes()} {net.scores()}", "both", axis=1)
    net.reshape("both", "out", [1, 24, SIDE * SIDE])
    return net.model([1, 24, SIDE * SIDE]), np.s_[:, 4:]


def transpose_then_concat() -> tuple[ir.Model, AnyArray]:
    """[1, 256, 24]: each part is laid out with its channels last before it is joined."""
    net = Net()
    for name, size in ((net.boxes(), 4), (net.scores(), CLASSES)):
        net.add("Transpose", name, f"{name}_last", perm=[0, 2, 3, 1])
        net.reshape(f"{name}_last", f"{name}_rows", [1, SIDE * SIDE, size])
    net.add("Concat", "boxes_rows scores_rows", "out", axis=2)
    return net.model([1, SIDE * SIDE, 24]), np.s_[:, :, 4:]


def three_heads() -> tuple[ir.Model, AnyArray]:
    """[1, 256 + 64 + 16, 25]: a Concat of three Concats of boxes, objectness and scores."""
    net = Net()
    feature, rows = "f", []
    for level, side in enumerate((16, 8, 4)):
        parts = [net.boxes(f"b{level}", 640.0, feature), net.scores(f"o{level}", 1, feature), net.scores(f"s{level}", CLASSES, feature)]
        net.add("Concat", " ".join(parts), f"head{level}", axis=1)
        net.reshape(f"head{level}", f"flat{level}", [1, 25, side * side])
        rows.append(net.add("Transpose", f"flat{level}", f"rows{level}", perm=[0, 2, 1]))
        feature = net.add("MaxPool", feature, f"f_{level + 1}", kernel_shape=[2, 2], strides=[2, 2])
    net.add("Concat", " ".join(rows), "out", axis=1)
    return net.model([1, 336, 25]), np.s_[:, :, 4:]


def keypoints() -> tuple[ir.Model, AnyArray]:
    """[1, 4 + 1 + 3 * 5, 256]: boxes, a score, and five points x, y, visibility."""
    net = Net()
    points = net.boxes("points", 320.0)
    net.add("Slice", f"{points} {net.constant('from', [0], np.int64)} {net.constant('to', [2], np.int64)} "
            f"{net.constant('along', [1], np.int64)}", "xy")  # fmt: skip
    seen = net.scores("seen", 1)
    net.add("Concat", f"{net.boxes()} {net.scores('score', 1)} xy {seen}", "both", axis=1)
    net.reshape("both", "out", [1, 8, SIDE * SIDE])
    return net.model([1, 8, SIDE * SIDE]), np.s_[:, [4, 7]]


def decoded_with_anchors() -> tuple[ir.Model, AnyArray]:
    """[1, 256, 25]: centres from a grid, sizes by Exp times anchors, objectness and scores."""
    net = Net()
    ticks = np.stack(np.meshgrid(np.arange(SIDE), np.arange(SIDE), indexing="ij"))[None].astype(np.float32)
    net.conv("f", "raw", 16, 4, spread=0.1)
    net.add("Split", f"raw {net.constant('halves', [2, 2], np.int64)}", "at size", axis=1)
    net.add("Add", f"at {net.constant('ticks', ticks)}", "placed")
    net.add("Mul", f"placed {net.constant('stride', 40.0)}", "centre")
    net.add("Exp", "size", "grown")
    net.add("Mul", f"grown {net.constant('anchors', [[[[50.0]], [[80.0]]]])}", "extent")
    net.add("Concat", f"centre extent {net.scores('object', 1)} {net.scores()}", "both", axis=1)
    net.reshape("both", "flat", [1, 25, SIDE * SIDE])
    net.add("Transpose", "flat", "out", perm=[0, 2, 1])
    return net.model([1, SIDE * SIDE, 25]), np.s_[:, :, 4:]


def split_decoded_and_joined() -> tuple[ir.Model, AnyArray]:
    """[1, 24, 256]: one head is split, boxes are decoded from corners, and all is joined again."""
    net = Net()
    net.conv("f", "head", 16, 4 + CLASSES)
    net.reshape("head", "flat", [1, 4 + CLASSES, SIDE * SIDE])
    net.add("Split", f"flat {net.constant('sizes', [2, 2, CLASSES], np.int64)}", "low high logits", axis=1)
    centre = net.constant("centre", np.linspace(0, 640, 2 * SIDE * SIDE).reshape(1, 2, -1))
    net.add("Sub", f"{centre} low", "first")
    net.add("Add", f"{centre} high", "second")
    net.add("Sigmoid", "logits", "scores")
    net.add("Concat", "first second scores", "out", axis=1)
    return net.model([1, 24, SIDE * SIDE]), np.s_[:, 4:]


def yolox_style() -> tuple[ir.Model, AnyArray]:
    """[1, 80, 25]: heads of two sizes whose boxes are decoded from slices behind the joint."""
    net = Net()
    small = net.add("MaxPool", "f", "f_small", kernel_shape=[4, 4], strides=[4, 4])
    middle = net.add("MaxPool", "f", "f_middle", kernel_shape=[2, 2], strides=[2, 2])
    flats = []
    for name, feature, side in (("m", middle, 8), ("s", small, 4)):
        parts = [net.conv(feature, f"{name}_box", 16, 4, spread=0.2), net.scores(f"{name}_object", 1, feature)]
        parts.append(net.scores(f"{name}_class", CLASSES, feature))
        net.add("Concat", " ".join(parts), f"{name}_head", axis=1)
        flats.append(net.reshape(f"{name}_head", f"{name}_flat", [1, 25, side * side]))
    net.add("Concat", " ".join(flats), "all", axis=2)
    net.add("Transpose", "all", "rows", perm=[0, 2, 1])
    net.constant("along", [2], np.int64)
    for name, (start, stop) in {"at": (0, 2), "size": (2, 4), "rest": (4, 25)}.items():
        bounds = f"{net.constant(f'{name}_from', [start], np.int64)} {net.constant(f'{name}_to', [stop], np.int64)}"
        net.add("Slice", f"rows {bounds} along", name)
    stride = net.constant("stride", np.repeat([8.0, 16.0], [64, 16]).reshape(1, -1, 1))
    net.add("Mul", f"at {stride}", "centre")
    net.add("Exp", "size", "grown")
    net.add("Mul", f"grown {stride}", "extent")
    net.add("Concat", "centre extent rest", "out", axis=2)
    return net.model([1, 80, 25]), np.s_[:, :, 4:]


def stacked() -> tuple[ir.Model, AnyArray]:
    """[1, 2, 16, 16]: depth in millimetres and confidence, stacked by Unsqueeze and Concat."""
    net = Net()
    for name in (net.boxes("depth", 4000.0), net.scores("sure", 1)):
        pick = f"{name} {net.constant(f'{name}_0', 0, np.int64)}"
        net.add("Gather", pick, f"{name}_map", axis=1)
        net.add("Unsqueeze", f"{name}_map {net.constant(f'{name}_axis', [1], np.int64)}", f"{name}_one")
    net.add("Concat", "depth_one sure_one", "out", axis=1)
    return net.model([1, 2, SIDE, SIDE]), np.s_[:, 1:]


Detector = Callable[[], tuple[ir.Model, AnyArray]]
DETECTORS: tuple[Detector, ...] = (
    concat_then_reshape, transpose_then_concat, three_heads, keypoints, decoded_with_anchors, split_decoded_and_joined, yolox_style,
    stacked,
)  # fmt: skip


def images(count: int, seed: int) -> F32:
    """Random images [count, 3, 16, 16]."""
    return np.random.default_rng(seed).uniform(0, 1, (count, 3, SIDE, SIDE)).astype(np.float32)


def sqnr_db(reference: list[AnyArray], other: list[AnyArray]) -> float:
    """10 log10(sum f^2 / sum (f - q)^2)."""
    f, q = (np.concatenate([array.ravel().astype(np.float64) for array in one]) for one in (reference, other))
    noise = float(((f - q) ** 2).sum())
    return float("inf") if noise == 0 else float(10 * np.log10((f**2).sum() / noise))


def outputs(model: ir.Model, count: int = 12, seed: int = 99) -> list[list[AnyArray]]:
    """The outputs of the model on images that calibration did not see, [image][output]."""
    session = open_session(model, threads=1)
    return [session.run({"image": image[None]}) for image in images(count, seed)]
