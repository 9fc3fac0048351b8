"""What moves elements, in the forms that are tried on the emulator."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.hexagon.paired import Form
from edgeq.testing.case import floats, ints, number


def _movement() -> Iterator[Form]:
    image = {"a": (1, 8, 6, 6)}
    rows = np.array([2, 0, 5])
    for word, nodes, constants in (
        ("Reshape", "b = Reshape(a, i)", {"i": ints(1, 4, 12, 6)}),
        ("Flatten", "b = Flatten(a)", {}),
        ("Transpose", "b = Transpose<perm = [0, 3, 1, 2]>(a)", {}),
        ("Unsqueeze", "b = Unsqueeze(a, i)", {"i": ints(1)}),
        ("Slice", "b = Slice(a, i, j, k)", {"i": ints(1), "j": ints(5), "k": ints(2)}),
        ("Slice steps", "b = Slice(a, i, j, k, s)", {"i": ints(0), "j": ints(6), "k": ints(2), "s": ints(2)}),
        ("Slice back", "b = Slice(a, i, j, k, s)", {"i": ints(5), "j": ints(-9), "k": ints(2), "s": ints(-1)}),
        ("Pad", "b = Pad(a, i)", {"i": ints(0, 0, 1, 1, 0, 0, 1, 1)}),
        ("Pad channels", "b = Pad(a, i)", {"i": ints(0, 2, 0, 0, 0, 1, 0, 0)}),
        ("Pad zero", "b = Pad(a, i, v)", {"i": ints(0, 0, 1, 1, 0, 0, 1, 1), "v": number(0)}),
        ("Pad fill", "b = Pad(a, i, v)", {"i": ints(0, 0, 1, 1, 0, 0, 1, 1), "v": number(1)}),
        ("Pad reflect", 'b = Pad<mode = "reflect">(a, i)', {"i": ints(0, 0, 1, 1, 0, 0, 1, 1)}),
        ("Pad edge", 'b = Pad<mode = "edge">(a, i)', {"i": ints(0, 0, 1, 1, 0, 0, 1, 1)}),
        ("Pad negative", "b = Pad(a, i)", {"i": ints(0, 0, -1, 0, 0, 0, -1, 1)}),
        ("DepthToSpace", "b = DepthToSpace<blocksize = 2>(a)", {}),
        ("DepthToSpace CRD", 'b = DepthToSpace<blocksize = 2, mode = "CRD">(a)', {}),
        ("SpaceToDepth", "b = SpaceToDepth<blocksize = 2>(a)", {}),
        ("Expand", "b = Expand(a, i)", {"i": ints(2, 8, 6, 6)}),
        ("Expand rank", "b = Expand(a, i)", {"i": ints(2, 1, 8, 6, 6)}),
        ("Tile", "b = Tile(a, i)", {"i": ints(1, 1, 2, 3)}),
        ("Gather axis 1", "b = Gather<axis = 1>(a, i)", {"i": rows}),
        ("Gather axis 3", "b = Gather<axis = 3>(a, i)", {"i": rows}),
        ("Gather number", "b = Gather<axis = 2>(a, i)", {"i": np.array(2)}),
        ("Gather negative", "b = Gather<axis = 2>(a, i)", {"i": np.array([-1, 0])}),
        ("Gather two axes of indices", "b = Gather<axis = 2>(a, i)", {"i": np.array([[0, 1], [2, 3]])}),
        ("GatherElements", "b = GatherElements<axis = 3>(a, i)", {"i": np.arange(288).reshape(1, 8, 6, 6) % 6}),
        ("GatherND", "b = GatherND(a, i)", {"i": np.array([[0, 1, 2], [0, 7, 5]])}),
        ("ScatterElements", "b = ScatterElements<axis = 1>(a, i, v)", {"i": np.zeros((1, 1, 6, 6), np.int64) + 3, "v": floats(1, 1, 6, 6)}),
        ("ScatterND", "b = ScatterND(a, i, v)", {"i": np.array([[0, 1], [0, 7]]), "v": floats(2, 6, 6)}),
        ("ReverseSequence", "b = ReverseSequence<batch_axis = 0, time_axis = 1>(a, i)", {"i": ints(5)}),
        ("Split one", "b, c = Split<axis = 1>(a, i)", {"i": ints(5, 3)}),
        ("Trilu", "b = Trilu(a)", {}),
        ("Concat itself", "b = Concat<axis = 1>(a, a)", {}),
    ):
        stored = {"v": "real"} if word.startswith("Pad") else {}
        yield Form(word, nodes, image, constants, stored, copies=True)
        if word in ("Transpose", "Pad", "Slice", "Expand", "Tile", "Gather axis 1", "DepthToSpace"):
            yield Form(f"{word} own grid", nodes, image, constants, stored, ranges={"b": (-3.0, 7.0)})


def _joined() -> Iterator[Form]:
    image = {"a": (1, 8, 6, 6)}
    yield Form("Squeeze", "b = Squeeze(a, i)", {"a": (1, 8, 1, 1)}, {"i": ints(2, 3)}, copies=True)
    yield Form("Split parts", "b, c = Split<axis = 1>(a, i)", constants={"i": ints(5, 3)}, copies=True, outputs=("b", "c"))
    yield Form("Split 18", "b, c = Split<axis = 1, num_outputs = 2>(a)", copies=True, outputs=("b", "c"), opset=18)
    yield Form("Concat", "b = Concat<axis = 1>(a, d)", {**image, "d": (1, 4, 6, 6)}, ranges={"d": (-2.0, 2.0)})
    yield Form("Concat narrow", "b = Concat<axis = 1>(a, d)", {**image, "d": (1, 4, 6, 6)}, ranges={"b": (-2.0, 2.5)})
    yield Form(
        "Concat narrow, one grid first",
        "b = Concat<axis = 1>(a, d)",
        {**image, "d": (1, 4, 6, 6)},
        ranges={"a": (-2.0, 2.5), "b": (-2.0, 2.5)},
    )
    yield Form("Requantized narrower", "b = Identity(a)", image, ranges={"b": (-2.0, 2.5)})
    yield Form(
        "Concat requantized before",
        "e = Identity(a) b = Concat<axis = 1>(e, d)",
        {**image, "d": (1, 4, 6, 6)},
        ranges={"d": (-2.0, 2.5), "e": (-2.0, 2.5), "b": (-2.0, 2.5)},
    )
    yield Form("Concat last", "b = Concat<axis = -1>(a, d)", {**image, "d": (1, 8, 6, 4)})
    yield Form("Concat constant", "b = Concat<axis = 1>(a, k)", image, {"k": floats(1, 3, 6, 6)})
    yield Form("Concat four", "b = Concat<axis = 1>(a, d, a, d)", {**image, "d": (1, 8, 6, 6)})
    table = floats(12, 16)
    ends = {"b": (float(table.min()), float(table.max()))}
    for storage in ("codes", "weight"):
        yield Form(
            f"Gather table, {storage}", "b = Gather(k, i)", {"i": np.arange(6).reshape(1, 6)}, {"k": table}, {"k": storage}, ranges=ends
        )
    yield Form("Gather indices input", "b = Gather<axis = 1>(a, i)", {**image, "i": np.arange(3)}, copies=True)
    yield Form("GatherND indices input", "b = GatherND(a, i)", {**image, "i": np.array([[0, 1], [0, 0]])}, copies=True)
    yield Form("GridSample", "b = GridSample(a, g)", {**image, "g": (1, 5, 5, 2)}, ranges={"g": (-1.0, 1.0)})
    yield Form("GridSample nearest", 'b = GridSample<mode = "nearest">(a, g)', {**image, "g": (1, 5, 5, 2)}, ranges={"g": (-1.0, 1.0)})
    yield Form(
        "RoiAlign",
        "b = RoiAlign<output_height = 3, output_width = 3>(a, r, i)",
        image,
        {"r": np.array([[0, 0, 4, 4], [1, 1, 5, 5]], np.float32), "i": ints(0, 0)},
        {"r": "real"},
    )
    yield Form("Identity same", "b = Identity(a)", copies=True)


def moving() -> Iterator[Form]:
    """All of them."""
    for group in (_movement, _joined):
        yield from group()
