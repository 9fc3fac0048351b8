"""Damage to one tensor of a model: sizes, type, numbers, the place of its data."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from tests.fuzz import odd

Damage = Callable[[Random, onnx.TensorProto], None]


def _array(tensor: onnx.TensorProto) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    try:
        return np.array(numpy_helper.to_array(tensor))
    except (ValueError, TypeError):
        return np.zeros(1, np.float32)


def _set(tensor: onnx.TensorProto, array: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> None:
    name = tensor.name
    tensor.CopyFrom(numpy_helper.from_array(array, name))


def _odd_numbers(random: Random, tensor: onnx.TensorProto) -> None:
    array = _array(tensor)
    if array.size and array.dtype.kind in "iuf":
        with np.errstate(all="ignore"):
            number = odd.real(random) if array.dtype.kind == "f" else odd.integer(random) & 0x7F
            array.reshape(-1)[random.randrange(array.size)] = number
        _set(tensor, array)


def _all_same(random: Random, tensor: onnx.TensorProto) -> None:
    array = _array(tensor)
    if array.dtype.kind == "f":
        with np.errstate(all="ignore"):
            array[...] = random.choice((0.0, 1.0, 1e-45, 3e38, -1e30))
        _set(tensor, array)


def _other_sizes(random: Random, tensor: onnx.TensorProto) -> None:
    """A tensor of other sizes, whole in itself."""
    array = _array(tensor)
    wanted = random.choice(
        (array.reshape(-1), array[..., None], array.reshape(-1)[:0], array.reshape(-1)[:1], np.concatenate([array.reshape(-1)] * 2))
    )
    _set(tensor, wanted)


def _declared_sizes(random: Random, tensor: onnx.TensorProto) -> None:
    """Sizes that its data does not have."""
    tensor.dims[:] = [random.choice((*tensor.dims, odd.integer(random))) for _ in range(random.choice((0, 1, 2, len(tensor.dims))))]


def _other_type(random: Random, tensor: onnx.TensorProto) -> None:
    tensor.data_type = random.choice((*range(26), 99))


def _cast(random: Random, tensor: onnx.TensorProto) -> None:
    array = _array(tensor)
    if array.dtype.kind in "iufb":
        with np.errstate(all="ignore"):
            _set(tensor, array.astype(random.choice((np.float64, np.float16, np.int64, np.int32, np.int8, np.uint8, np.bool_))))


def _cut(random: Random, tensor: onnx.TensorProto) -> None:
    tensor.raw_data = tensor.raw_data[: random.choice((0, 1, len(tensor.raw_data) // 2))]


def _text(random: Random, tensor: onnx.TensorProto) -> None:
    name = tensor.name
    tensor.Clear()
    tensor.name, tensor.data_type = name, TensorProto.STRING
    tensor.dims.append(1)
    tensor.string_data.append(random.choice((b"a", b"\xff", b"")))


def _elsewhere(random: Random, tensor: onnx.TensorProto) -> None:
    """Data in a file that is not there, outside, or another than it seems."""
    tensor.data_location = TensorProto.EXTERNAL
    tensor.ClearField("raw_data")
    places = (
        "nowhere.bin",
        "../model.onnx",
        "/etc/hostname",
        "model.onnx",
        "w.data",
        ".",
        "",
        "a/../../b",
        "C:\\x",
        "data.npz",
        odd.name(random),
    )
    entries = {
        "location": random.choice(places),
        "offset": str(random.choice((0, 1, -1, 2**62, "x"))),
        "length": str(random.choice((4, 0, -4, 2**62))),
    }
    for key, value in entries.items():
        if key == "location" or random.random() < 0.5:
            tensor.external_data.append(onnx.StringStringEntryProto(key=key, value=value))


TENSOR_DAMAGES: tuple[Damage, ...] = (
    *(_odd_numbers, _odd_numbers, _odd_numbers, _all_same, _all_same, _other_sizes, _other_sizes, _declared_sizes, _other_type),
    *(_cast, _cast, _cut, _text, _elsewhere),
)
