"""Float scales of blocks: the numbers of ONNX's blocked DequantizeLinear, and a slow search."""

from __future__ import annotations

import numpy as np
import pytest
from ml_dtypes import int4
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from edgeq.numerics.arrays import F32
from edgeq.numerics.formats.blocks import cut
from edgeq.numerics.formats.format import Format, Inputs, Stored
from edgeq.numerics.formats.table import in_floats, parse_format
from edgeq.numerics.rounding.half_matrix import HalfMatrix
from edgeq.testing import check_format


def _form(size: int = 32) -> Format:
    return in_floats(parse_format(f"block:{size}"))


def _rows(channels: int, kernel: tuple[int, ...], seed: int = 0) -> F32:
    chance = np.random.default_rng(seed)
    return chance.standard_t(4, size=(1, channels, int(np.prod(kernel)))).astype(np.float32)


def _by_onnx(stored: Stored, size: int) -> F32:
    """The numbers of a matrix, computed by onnx's DequantizeLinear of INT4 with block_size."""
    codes = stored.elements[0].astype(int4)
    shape = [*codes.shape]
    node = helper.make_node("DequantizeLinear", ["q", "s"], ["y"], axis=1, block_size=size)
    constants = [
        helper.make_tensor("q", TensorProto.INT4, shape, codes.astype(np.int8).reshape(-1)),
        numpy_helper.from_array(np.asarray(stored.scales[0][0], np.float32), "s"),
    ]
    graph = helper.make_graph([node], "net", [], [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)])
    return np.asarray(ReferenceEvaluator(model).run(None, {})[0], np.float32)


@pytest.mark.parametrize("size", [32, 64, 128])
def test_a_million_numbers_are_those_of_the_blocked_dequantize_linear(size: int) -> None:
    chance = np.random.default_rng(size)
    shape = (256, 4096)
    elements = chance.integers(-8, 8, (1, *shape)).astype(np.float32)
    scales = (chance.normal(size=(1, shape[0], shape[1] // size)) * np.exp2(chance.integers(-30, 30, (1, shape[0], 1)))).astype(np.float32)
    stored = Stored(_form(size), (shape[1],), elements, (scales,))
    assert np.array_equal(stored.real[0], _by_onnx(stored, size))


@pytest.mark.parametrize("kernel", [(64,), (37,), (32, 3, 3)])
def test_no_scale_of_a_slow_search_is_much_nearer(kernel: tuple[int, ...]) -> None:
    """Against 4000 scales of either sign for each block, number by number, in float64."""
    rows = _rows(3, kernel)
    stored = _form().fit(rows, None, kernel)
    real = cut(stored.real, kernel, 32)[0].reshape(-1, 32)
    for block, found in zip(cut(rows, kernel, 32)[0].reshape(-1, 32).astype(np.float64), real, strict=True):
        peak = np.abs(block).max()
        scales = np.concatenate([sign * peak * np.linspace(1 / 12, 1 / 5, 2000) for sign in (1, -1)])[:, None]
        least = np.square(np.clip(np.rint(block / scales), -8, 7) * scales - block).sum(-1).min()
        # a block of few numbers may have a scale far from all that are tried
        assert np.square(found - block).sum() <= (1.06 if np.count_nonzero(block) > 8 else 2.5) * least + 1e-12


def test_bits_with_float_scales_and_in_integers() -> None:
    assert [_form(size).nominal_bits for size in (32, 64, 128)] == [5.0, 4.5, 4.25]
    assert parse_format("block:32").nominal_bits == 4 + 4 / 32
    stored = _form().fit(_rows(8, (96,)), None, (96,))
    assert 8 * stored.nbytes == 5 * 8 * 96


@pytest.mark.parametrize("size", [32, 128])
def test_both_forms_keep_the_laws_of_formats(size: int) -> None:
    check_format(parse_format(f"block:{size}"))
    check_format(_form(size))


def test_layers_in_integers_have_the_numbers_of_two_levels() -> None:
    rows = _rows(8, (128,))
    assert np.array_equal(parse_format("block:64").fit(rows, None, (128,)).real, parse_format("two_level:64").fit(rows, None, (128,)).real)


def test_steps_of_either_sign_are_rounded_with_the_data_in_view() -> None:
    """Half of all scales are negative; descent must move codes of these as well."""
    rows, chance = _rows(16, (64,)), np.random.default_rng(1)
    inputs = chance.normal(size=(400, 64)) + 3 * chance.normal(size=(400, 1))
    moment = np.asarray(inputs.T @ inputs / 400)[None]
    found = [_form().fit(rows, how, (64,)) for how in (None, Inputs(HalfMatrix.of(moment)))]
    assert (found[1].scales[0] < 0).any()
    assert (found[1].scales[0] > 0).any()
    errors = [np.einsum("gck,gkl,gcl->", rows - one.real, moment, rows - one.real) for one in found]
    assert errors[1] < errors[0] / 4
