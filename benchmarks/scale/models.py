"""Models of any size with random but settled weights: chains, stacks of Gemms, U-Nets."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Nodes: TypeAlias = list[onnx.NodeProto]
Weights: TypeAlias = list[onnx.TensorProto]


def _saved(nodes: Nodes, weights: Weights, shapes: tuple[list[str | int], list[str | int]], path: Path, external: bool) -> Path:
    """Write a model from x to y. shapes: of both."""
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in zip("xy", shapes, strict=True))
    graph = helper.make_graph([*nodes, helper.make_node("Identity", [nodes[-1].output[0]], ["y"])], "net", [x], [y], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save_model(model, path, save_as_external_data=external, location=f"{path.name}.data", size_threshold=1024)
    return path


def _weight(name: str, shape: tuple[int, ...], gain: float, chance: np.random.Generator) -> onnx.TensorProto:
    fan_in = int(np.prod(shape[1:]))
    return numpy_helper.from_array(chance.standard_normal(shape, np.float32) * np.float32((gain / fan_in) ** 0.5), name)


def chain(count: int, path: Path, channels: int = 8, size: int = 8) -> Path:
    """About `count` nodes: Conv, Relu and a residual Add, every eighth one halved to settle."""
    chance, nodes, weights, x = np.random.default_rng(0), Nodes(), Weights(), "x"
    weights.append(numpy_helper.from_array(np.array(0.5, np.float32), "half"))
    for k in range(max(1, count // 3)):
        weights.append(_weight(f"w{k}", (channels, channels, 3, 3), 0.04, chance))
        nodes.append(helper.make_node("Conv", [x, f"w{k}"], [f"c{k}"], f"conv{k}", pads=[1] * 4))
        nodes.append(helper.make_node("Relu", [f"c{k}"], [f"r{k}"], f"relu{k}"))
        nodes.append(helper.make_node("Add", [x, f"r{k}"], [f"a{k}"], f"add{k}"))
        x = f"a{k}"
        if k % 8 == 7:
            nodes.append(helper.make_node("Mul", [x, "half"], [f"m{k}"], f"mul{k}"))
            x = f"m{k}"
    shape: list[str | int] = ["N", channels, size, size]
    return _saved(nodes, weights, (shape, shape), path, external=False)


def gemms(layers: int, width: int, path: Path, external: bool = False) -> Path:
    """`layers` Gemms of width x width with Relus; external: weights in a data file."""
    chance, nodes, weights, x = np.random.default_rng(0), Nodes(), Weights(), "x"
    for k in range(layers):
        weights.append(_weight(f"w{k}", (width, width), 2.0, chance))
        nodes.append(helper.make_node("Gemm", [x, f"w{k}"], [f"g{k}"], f"gemm{k}"))
        nodes.append(helper.make_node("Relu", [f"g{k}"], [f"r{k}"], f"relu{k}"))
        x = f"r{k}"
    return _saved(nodes, weights, (["N", width], ["N", width]), path, external)


def unet(base: int, path: Path, levels: int = 4) -> Path:
    """Two 3x3 Convs a level, pooled down and transposed up, levels joined; any picture size."""
    chance, nodes, weights = np.random.default_rng(0), Nodes(), Weights()

    def node(op: str, inputs: list[str], **attributes: object) -> str:
        nodes.append(helper.make_node(op, inputs, [f"v{len(nodes)}"], f"{op.lower()}{len(nodes)}", **attributes))  # type: ignore[arg-type]
        return str(nodes[-1].output[0])

    def conv(x: str, i: int, o: int) -> str:
        weights.append(_weight(f"w{len(weights)}", (o, i, 3, 3), 2.0, chance))
        return node("Relu", [node("Conv", [x, weights[-1].name], pads=[1] * 4)])

    x, channels, joined = "x", 3, list[tuple[str, int]]()
    for level in range(levels):
        out = base << level
        x = conv(conv(x, channels, out), out, out)
        joined.append((x, out))
        x, channels = node("MaxPool", [x], kernel_shape=[2, 2], strides=[2, 2]), out
    x, channels = conv(x, channels, 2 * channels), 2 * channels
    for skip, out in reversed(joined):
        weights.append(_weight(f"w{len(weights)}", (channels, out, 2, 2), 4.0, chance))
        up = node("ConvTranspose", [x, weights[-1].name], strides=[2, 2])
        x, channels = conv(node("Concat", [skip, up], axis=1), 2 * out, out), out
    return _saved(nodes, weights, (["N", 3, "H", "W"], ["N", channels, "H", "W"]), path, external=False)


def data(path: Path, *shape: int) -> Path:
    """Smooth random samples [samples, ...], so that neighbours are alike as in real ones."""
    chance = np.random.default_rng(1)
    if len(shape) == 2:
        mixed = chance.standard_normal((shape[0], 64)) @ chance.standard_normal((64, shape[1])) / 8
        np.savez(path, x=mixed.astype(np.float32))
        return path
    coarse = chance.standard_normal((*shape[:2], -(-shape[2] // 8), -(-shape[3] // 8)), np.float32)
    np.savez(path, x=np.kron(coarse, np.ones((1, 1, 8, 8), np.float32))[:, :, : shape[2], : shape[3]])
    return path
