"""The audit of sums: its bounds are reached by some input and exceeded by none; what can saturate
is told from what cannot.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.api import quantize
from edgeq.errors import FloorMissed
from edgeq.io.load import load_model
from edgeq.io.save import save_model
from edgeq.proof.saturation_audit import INT16, audit_sums, require_exact
from edgeq.schema.target import load_target
from edgeq.schema.target_facts import PAIR_LIMIT
from tests.changed import changed
from tests.cli_room import run
from tests.graph_text import net, weights

GRID = {"xs": 0.5, "ws": 0.25, "bs": 0.125, "wz": np.int8(0), "xz": np.uint8(3), "bz": np.int32(0)}
LAYER = """f = DequantizeLinear(q, xs, xz)  w = DequantizeLinear(wq, ws, wz)  b = DequantizeLinear(bq, bs, bz)
    y = Gemm<transB = 1>(f, w, b)"""


def gemm(codes: list[list[int]], bias: list[int]) -> ir.Model:
    constants = {**GRID, "wq": np.array(codes, np.int8), "bq": np.array(bias, np.int32)}
    return net(LAYER, inputs=f"uint8[1, {len(codes[0])}] q", constants=constants)


def test_bounds_are_the_worst_of_all_inputs() -> None:
    """By trying all corners of the input's range: a linear function is extreme at one."""
    rows, bias = [[100, 50, -7, -90], [-3, 5, 127, 127]], [-40_000, 25]
    (found,) = audit_sums(gemm(rows, bias))
    corners = np.array(list(itertools.product((0, 255), repeat=4)))
    weight = np.array(rows)
    sums = np.abs((corners - 3) @ weight.T + np.array(bias))
    pairs = [np.abs(corners[:, i : i + 2] @ weight[:, i : i + 2].T).max() for i in (0, 2)]
    assert (found.accumulator, found.pair) == (sums.max(), max(pairs))
    assert (found.node, found.op_type, found.saturates, found.overflows) == ("Gemm_3", "Gemm", True, False)


def test_a_bias_can_overflow() -> None:
    (found,) = audit_sums(gemm([[127, 0]], [2**31 - 1]))
    assert (found.saturates, found.overflows) == (False, True)
    with pytest.raises(FloorMissed, match="1 of 1"):
        require_exact([found])


def test_depthwise_kernels_add_no_pairs() -> None:
    body = """f = DequantizeLinear(q, xs, xz)  w = DequantizeLinear(wq, ws, wz)  y = Conv<group = 2, pads = [1, 1, 1, 1]>(f, w)"""
    constants = {**GRID, "wq": np.full((2, 1, 3, 3), 127, np.int8)}
    (found,) = audit_sums(net(body, inputs="uint8[1, 2, 8, 8] q", constants=constants))
    assert (found.pair, found.accumulator) == (None, 127 * 9 * 252)


def test_what_edgeq_makes_for_cpu_is_exact_and_without_the_limit_it_is_not() -> None:
    model = net("a = Conv<pads = [1, 1, 1, 1]>(x, w)  y = Conv(a, w)", constants={"w": np.abs(weights(8, 8, 3, 3))})
    data = {"x": np.random.default_rng(0).normal(size=(8, 8, 16, 16)).astype(np.float32)}
    cpu = load_target("cpu")
    free = changed(cpu, weights=changed(cpu.weights, pair_limit=None))
    assert free.without_vnni().weights.pair_limit == PAIR_LIMIT
    assert cpu.without_vnni() is cpu
    assert PAIR_LIMIT == INT16 // 255
    made = {name: audit_sums(quantize(model, data, target=target, prove=False).model) for name, target in (("cpu", cpu), ("free", free))}
    assert len(made["cpu"]) == len(made["free"]) == 2
    assert not any(one.saturates or one.overflows for one in made["cpu"])
    assert all(one.saturates for one in made["free"])


def test_prove_tells_and_gates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "bad.onnx"
    save_model(gemm([[127, 127]], [0]), bad)
    ran = run(capsys, "prove", bad, "-q")
    assert ran.code == 0
    ran = run(capsys, "prove", bad, "--no-vnni")
    assert ran.code == 3
    assert "1 of 1 layers can saturate" in ran.out.replace("\n", " ")
    assert "beyond int16" in ran.err
    good = tmp_path / "good.onnx"
    save_model(gemm([[127, -127]], [0]), good)
    assert run(capsys, "prove", good, "--no-vnni").code == 0
    assert audit_sums(load_model(good, quantized=True).model)[0].pair == 255 * 127
