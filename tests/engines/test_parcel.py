"""Parcels: models, arrays and paths arrive, and nothing that edgeq did not bring is run."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.data.given.gather import gathered
from edgeq.data.open import open_dataset
from edgeq.engines.parcel import BLOB_BYTES, Parcel, answer, function_name, function_of, packed, read_answer, unpacked
from edgeq.engines.sent import Sent
from edgeq.graph.signature import input_specs
from edgeq.numerics.arrays import AnyArray
from tests.graph_text import net, weights


def arrived(parcel: Parcel) -> object:
    return unpacked(parcel.body, lambda digest: np.frombuffer(parcel.blobs[digest], np.uint8))


def test_large_arrays_are_blobs_of_their_content_and_small_ones_are_not() -> None:
    large, small = np.arange(BLOB_BYTES, dtype=np.int16).reshape(2, -1), np.ones(3, np.float32)
    parcel = packed({"a": large, "b": small, "c": large.copy()})
    assert len(parcel.blobs) == 1
    found = arrived(parcel)
    assert isinstance(found, dict)
    np.testing.assert_array_equal(found["c"], large)
    np.testing.assert_array_equal(found["b"], small)


def test_a_model_arrives_with_its_weights_and_is_one_model() -> None:
    model = net("[n] h = MatMul(x, w) y = Add(h, b)", inputs="float[N, 300] x", constants={"w": weights(300, 400), "b": weights(400)})
    model.metadata_props["key"] = "value"
    before = ir.to_proto(model).SerializeToString()
    found = arrived(packed([model, model]))
    assert isinstance(found, list)
    assert found[0] is found[1]
    assert ir.to_proto(model).SerializeToString() == before
    assert ir.to_proto(found[0]).SerializeToString() == before


def test_paths_are_absolute_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    parcel = packed(Path("data.npz"))
    assert arrived(parcel) == tmp_path / "data.npz"
    assert parcel.paths == (str(tmp_path / "data.npz"),)


def test_data_of_an_iterable_arrives() -> None:
    model = net("y = Exp(x)", inputs="float[N, 3] x")
    data = open_dataset(gathered({"x": np.full(3, index, np.float32)} for index in range(5)), input_specs(model))
    found = arrived(packed(data))
    assert [piece.feeds["x"][0, 0] for piece in found.batches(1)] == [0, 1, 2, 3, 4]  # type: ignore[attr-defined]


class Calls:
    """What a parcel must not be able to do."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[object, ...]:
        return self.function, self.arguments


@pytest.mark.parametrize("bad", [Calls(os.getpid), Calls(print, "x"), Calls(function_of, "a:b"), Calls(eval, "1")])
def test_no_function_is_called_by_reading(bad: Calls) -> None:
    body = pickle.dumps(bad)
    with pytest.raises(pickle.UnpicklingError, match="is not read"):
        read_answer(body)


def test_only_functions_of_edgeq_are_found_by_name() -> None:
    assert function_of(function_name(open_dataset)) is open_dataset
    for name in ("os:getpid", "edgeq.engines.bench:os.getpid", "builtins:eval"):
        with pytest.raises(ValueError, match="is not a function of edgeq"):
            function_of(name)


def test_answers_are_what_was_answered() -> None:
    found = read_answer(answer((np.float64(2.5), [np.arange(3)], {"a": frozenset({1})}, range(3))))
    assert isinstance(found, tuple)
    array: AnyArray = found[1][0]
    assert (found[0], array.tolist(), found[2], found[3]) == (2.5, [0, 1, 2], {"a": frozenset({1})}, range(3))


def test_what_is_sent_is_packed_once_and_read_when_it_is_asked_for() -> None:
    model = net("[n] h = MatMul(x, w) y = Add(h, b)", inputs="float[N, 300] x", constants={"w": weights(300, 400), "b": weights(400)})
    sent = Sent.of(model)
    first, second = packed((sent, model)), packed([sent])
    assert set(first.blobs) == set(second.blobs)
    asked: list[str] = []

    def blob(digest: str) -> AnyArray:
        asked.append(digest)
        return np.frombuffer(second.blobs[digest], np.uint8)

    found = unpacked(second.body, blob)
    assert isinstance(found, list)
    assert asked == []
    assert ir.to_proto(found[0].model).SerializeToString() == ir.to_proto(model).SerializeToString()
    assert asked


def test_a_small_model_is_opened_from_the_bytes_that_came() -> None:
    small = net("y = Exp(x)", inputs="float[N, 3] x")
    large = net("y = MatMul(x, w)", inputs="float[N, 300] x", constants={"w": weights(300, 400)})
    found = arrived(packed([Sent.of(small), Sent.of(large)]))
    assert isinstance(found, list)
    assert isinstance(found[0].to_open, bytes)
    assert isinstance(found[1].to_open, ir.Model)
