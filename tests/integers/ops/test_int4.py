"""Weights of 4 bits in .tflite files: layers compute the same codes, and take half the bytes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.integers.emit import emit_tflite
from edgeq.integers.reading.opened import OpenedFile
from edgeq.integers.reading.read import read_tflite
from edgeq.integers.run import Interpreter
from edgeq.integers.tflite.flatbuffer import TfTensor
from edgeq.integers.tflite.parse import parse
from edgeq.numerics.arrays import AnyArray
from edgeq.passes.store.note_packed import NotePacked
from tests.integers.ops.test_law import stored
from tests.integers.ops.toys import LAYERS, Toy, feeds, model

#: from a code of 8 bits to one of 4
COARSER = 18


def narrowed(toy: Toy) -> Toy:
    """The toy with codes of -7..7 for weights, and scales that many times as large."""
    found = dict(toy.constants)
    found["w"] = np.clip(np.rint(np.asarray(found["w"]) / COARSER), -7, 7).astype(np.int8)
    scales = {name: np.asarray(found[name], np.float32) * np.float32(COARSER) for name in ("ws", "os") if name in found}
    return replace(toy, constants={**found, **scales})


def packed(toy: Toy) -> ir.Model:
    found = model(narrowed(toy))
    assert NotePacked()(found).modified
    return found


def weights(file: bytes) -> list[TfTensor]:
    return [tensor for tensor in parse(file).tensors if tensor.name.endswith("_weight")]


TOYS = [toy for toy in LAYERS if toy.op_type != "ConvTranspose"]


@pytest.mark.parametrize("toy", TOYS, ids=str)
def test_runtimes_compute_the_codes_of_the_interpreter(toy: Toy) -> None:
    pytest.importorskip("ai_edge_litert", reason="needs the extra [backends]")
    pytest.importorskip("tflite_micro", reason="needs the extra [backends]")
    from edgeq.runtimes.tflite.litert import LiteRt
    from edgeq.runtimes.tflite.tflm import TfLiteMicro

    made = packed(toy)
    given, machine = feeds(made), Interpreter(made)
    (wanted,) = machine.run(given).outputs.values()
    written = emit_tflite(made)
    assert {tensor.dtype for tensor in weights(written)} == {"int4"}
    arrays = [stored(array) for array in given.values()]
    for runs in (LiteRt(written, "reference"), TfLiteMicro(written), OpenedFile(read_tflite(written))):
        assert np.array_equal(runs.run(arrays)[0], stored(wanted)), type(runs).__name__


@pytest.mark.parametrize("toy", TOYS[:2], ids=str)
def test_a_weight_takes_half_the_bytes_and_is_read_back(toy: Toy) -> None:
    made = packed(toy)
    plain = made.clone()
    plain.metadata_props.clear()
    narrow, wide = emit_tflite(made), emit_tflite(plain)
    (four,), (eight,) = weights(narrow), weights(wide)
    data = eight.data
    assert data is not None and four.data is not None
    assert eight.dtype == "int8" and np.array_equal(four.data, data)
    saved = len(wide) - len(narrow)
    assert abs(saved - data.size // 2) <= 64  # but for alignment


def test_transposed_convolutions_keep_eight_bits() -> None:
    """LiteRT and TFLite Micro have no kernel for them."""
    toy = next(toy for toy in LAYERS if toy.op_type == "ConvTranspose")
    assert {tensor.dtype for tensor in parse(emit_tflite(packed(toy))).tensors if tensor.data is not None} == {"int8", "int32"}


def test_a_code_of_eight_bits_keeps_its_layer_at_eight() -> None:
    toy = narrowed(TOYS[0])
    codes: AnyArray = np.array(toy.constants["w"])
    codes[0, 0, 0, 0] = 8
    found = model(replace(toy, constants={**toy.constants, "w": codes}))
    assert not NotePacked()(found).modified
    found.metadata_props["edgeq.packed_weights"] = "int4"
    assert [tensor.dtype for tensor in weights(emit_tflite(found))] == ["int8"]
