"""Emitters of operators that move, select and count elements."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from tests.fuzz.valid.graph_builder import Attribute, Builder
from tests.fuzz.valid.operators import COMPUTE, Emitter

EVERY = (TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL)


def _axis(b: Builder, x: str) -> int:
    rank = len(b.shape(x))
    return b.random.randrange(-rank, rank) if rank else 0


def _with_axes(b: Builder, op: str, x: str, axes: list[int], since: int, attributes: dict[str, Attribute]) -> str | None:
    """Axes are an attribute before opset `since`, and an input from it on."""
    if b.opset < since:
        return b.add(op, [x], {"axes": axes, **attributes})
    return b.add(op, [x, b.integers(*axes)], attributes)


def reshape(b: Builder) -> str | None:
    x = b.pick(elements=EVERY)
    sizes = b.random.choice(((-1,), (0, -1), (1, -1), (0, 1, -1), (-1, 2), (0, -1, 2, 2)))
    return x and b.add("Reshape", [x, b.integers(*sizes)])


def flat(b: Builder) -> str | None:
    x = b.pick()
    return x and b.add("Flatten", [x], {"axis": b.random.choice((0, 1, 1, 2, -1))})


def transpose(b: Builder) -> str | None:
    x = b.pick(elements=EVERY)
    if x is None:
        return None
    order = list(range(len(b.shape(x))))
    b.random.shuffle(order)
    return b.add("Transpose", [x], {"perm": order})


def squeeze(b: Builder) -> str | None:
    x = b.pick(elements=EVERY)
    if x is None:
        return None
    op = b.random.choice(("Squeeze", "Unsqueeze"))
    return _with_axes(b, op, x, [_axis(b, x)], 13, {})


def cut(b: Builder) -> str | None:
    x = b.pick(elements=EVERY)
    if x is None:
        return None
    start, end, step = b.random.choice(((0, 2, 1), (1, 1000, 1), (-1, -1000, -1), (0, 9223372036854775807, 2), (1, 1, 1)))
    axis = _axis(b, x)
    if b.opset < 10:
        return b.add("Slice", [x], {"starts": [start], "ends": [end], "axes": [axis]})
    return b.add("Slice", [x, *(b.integers(number) for number in (start, end, axis, step))])


def split(b: Builder) -> str | None:
    x = b.pick()
    attributes: dict[str, Attribute] = {"axis": 1, **({"num_outputs": 2} if b.opset >= 18 else {})}
    return x and b.add("Split", [x], attributes, outputs=2)


def join(b: Builder) -> str | None:
    x = b.pick()
    return x and b.add("Concat", [x, *(b.pick() or x for _ in range(b.random.randint(0, 2)))], {"axis": _axis(b, x)})


def pad(b: Builder) -> str | None:
    x = b.pick()
    if x is None:
        return None
    amounts = [b.random.choice((0, 0, 1, -1)) for _ in range(2 * len(b.shape(x)))]
    mode = b.random.choice(("constant", "constant", "reflect", "edge"))
    if b.opset < 11:
        return b.add("Pad", [x], {"pads": amounts, "mode": mode})
    return b.add("Pad", [x, b.integers(*amounts)], {"mode": mode})


def gather(b: Builder) -> str | None:
    x = b.pick(elements=EVERY)
    indices = (
        b.pick(elements=(TensorProto.INT64,)) if b.random.random() < 0.2 else b.integers(*b.random.choice(((0,), (0, 0), (-1,), (5, 1))))
    )
    return x and indices and b.add(b.random.choice(("Gather", "Gather", "GatherElements", "GatherND")), [x, indices])


def embed(b: Builder) -> str | None:
    indices = b.pick(elements=(TensorProto.INT64, TensorProto.INT32))
    return indices and b.add("Gather", [b.weights(8, 3), indices])


def reduce(b: Builder) -> str | None:
    x = b.pick()
    if x is None:
        return None
    op = b.random.choice(("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL2", "ReduceProd", "ReduceLogSumExp"))
    return _with_axes(b, op, x, [_axis(b, x)], 13 if op == "ReduceSum" else 18, {"keepdims": b.random.choice((0, 1))})


def resize(b: Builder) -> str | None:
    x = b.pick(ranks=(4,))
    if x is None or b.opset < 11:
        return None
    scales = np.array([1, 1, *b.random.choice(((2, 2), (0.5, 0.5), (1.7, 1)))], np.float32)
    return b.add("Resize", [x, "", b.constant(scales)], {"mode": b.random.choice(("nearest", "linear", "cubic"))})


def blocks(b: Builder) -> str | None:
    x = b.pick(ranks=(4,))
    return x and b.add(b.random.choice(("DepthToSpace", "SpaceToDepth")), [x], {"blocksize": 2})


def ranked(b: Builder) -> str | None:
    x = b.pick()
    if x is None:
        return None
    if b.random.random() < 0.4:
        return b.add("TopK", [x, b.integers(1)], {"axis": _axis(b, x)}, outputs=2)
    return b.add(b.random.choice(("ArgMax", "ArgMin")), [x], {"axis": _axis(b, x), "keepdims": b.random.choice((0, 1))})


def shaped(b: Builder) -> str | None:
    """Shape arithmetic, as exporters write it around a Reshape or an Expand."""
    x = b.pick(elements=EVERY)
    if x is None:
        return None
    shape = b.add("Shape", [x])
    return (
        shape
        and b.random.choice(
            (
                lambda: shape,
                lambda: b.add("Reshape", [x, shape]),
                lambda: b.add("ConstantOfShape", [shape]),
                lambda: b.add("Expand", [b.weights(1), shape]),
                lambda: b.add("NonZero", [x]),
            )
        )()
    )


def repeat(b: Builder) -> str | None:
    x = b.pick()
    return x and b.add("Tile", [x, b.integers(*(b.random.choice((1, 1, 2, 0)) for _ in b.shape(x)))])


def summed(b: Builder) -> str | None:
    x = b.pick(ranks=(2, 3))
    if x is None:
        return None
    if b.random.random() < 0.5:
        return b.add("CumSum", [x, b.constant(np.array(_axis(b, x), np.int64))])
    letters = "abc"[: len(b.shape(x))]
    return b.add("Einsum", [x, x], {"equation": f"{letters},{letters}->{b.random.choice((letters, letters[:1], ''))}"})


MOVE: tuple[Emitter, ...] = (reshape, flat, transpose, squeeze, cut, split, join, pad, gather, embed, reduce, resize, blocks, ranked)
EMITTERS: tuple[Emitter, ...] = (*COMPUTE, *COMPUTE, *MOVE, summed) * 2 + (shaped, repeat)
