"""Tests of edgeq.metrics.own, kept and chosen: what a user's function is given, in whatever
batches, and what becomes of its mistakes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.errors import BadMetric
from edgeq.metrics.chosen import metric_of
from edgeq.metrics.identity import judged_by
from edgeq.metrics.metric import BUILT_IN, Metric
from edgeq.numerics.arrays import AnyArray
from edgeq.proof.compare import Accuracy, CompareSettings, check_floors, compare_models
from edgeq.schema.recipe import Floors

HEAD = '<ir_version: 8, opset_import: ["": 13]>\n'
DOUBLE = HEAD + "g (float[N, 4] x) => (float[N, 4] y) <float two = {2.0}> { y = Mul(x, two) }"
TRIPLE = DOUBLE.replace("2.0", "3.0")
TWO = HEAD + "g (float[N, 4] x) => (float[N, 4] y, float[N, 1] total) <int64[1] axis = {1}> { y = Relu(x) total = ReduceSum(x, axis) }"
FOUND = HEAD + "g (float[N, 4] x) => (int64[M, 2] places) { r = Relu(x) t = NonZero(r) places = Transpose<perm = [1, 0]>(t) }"


@dataclass(frozen=True)
class Piece:
    samples: range
    feeds: Mapping[str, AnyArray]


@dataclass(frozen=True)
class Rows:
    """A data set of rows for the input x, with a metric of one's own."""

    metric: Metric
    labels: AnyArray | None = None
    x: AnyArray = field(default_factory=lambda: np.random.default_rng(0).standard_normal((10, 4)).astype(np.float32))
    name: str = "rows"

    @property
    def count(self) -> int:
        return len(self.x)

    def batches(self, batch: int) -> Iterator[Piece]:
        for start in range(0, len(self.x), batch):
            rows = self.x[start : start + batch]
            yield Piece(range(start, start + len(rows)), {"x": rows})


def measured(metric: Metric, batch: int, first: str = DOUBLE, second: str = TRIPLE, labels: AnyArray | None = None) -> Accuracy:
    found = compare_models(ir.from_onnx_text(first), ir.from_onnx_text(second), Rows(metric, labels), CompareSettings(batch=batch))
    assert found.accuracy is not None
    return found.accuracy


@pytest.mark.parametrize("batch", [1, 3, 10])
def test_a_function_is_given_all_outputs_and_labels_once(batch: int) -> None:
    given: list[tuple[AnyArray, AnyArray]] = []

    def spread(outputs: AnyArray, labels: AnyArray) -> float:
        given.append((np.array(outputs), np.array(labels)))
        return float(np.abs(outputs - labels).max())

    boxes = Rows(BUILT_IN["mse"]).x + 1  # labels of any shape
    found = measured(Metric("spread", spread, higher_is_better=False), batch, labels=boxes)
    x = Rows(BUILT_IN["mse"]).x
    assert [np.array_equal(outputs, factor * x) for (outputs, _), factor in zip(given, (2, 3), strict=True)] == [True, True]
    assert all(np.array_equal(labels, boxes) for _, labels in given)
    assert (found.metric, found.higher_is_better, found.share) == ("spread", False, False)
    assert found.float == pytest.approx(float(np.abs(2 * x - boxes).max()))


def test_several_outputs_come_by_name() -> None:
    def total(outputs: dict[str, AnyArray], labels: None) -> float:
        assert labels is None
        assert {name: one.shape for name, one in outputs.items()} == {"y": (10, 4), "total": (10, 1)}
        return float(outputs["total"].sum())

    assert measured(Metric("total", total), 4, TWO, TWO).float == pytest.approx(float(Rows(BUILT_IN["mse"]).x.sum()), rel=1e-5)


@pytest.mark.parametrize("batch", [1, 5])
def test_what_each_sample_gave_comes_in_a_list_where_there_are_no_rows_of_samples(batch: int) -> None:
    lengths: list[list[int]] = []

    def places(outputs: list[AnyArray], _: None) -> float:
        lengths.append([len(one) for one in outputs])
        return float(sum(map(len, outputs)))

    measured(Metric("places", places), batch, FOUND, FOUND)
    assert lengths[0] == (Rows(BUILT_IN["mse"]).x > 0).sum(1).tolist()


@pytest.mark.parametrize("batch", [1, 4])
def test_a_function_of_single_samples_is_averaged(batch: int) -> None:
    def largest(outputs: AnyArray, labels: AnyArray) -> float:
        assert (outputs.shape, labels.shape) == ((1, 4), (1,))
        return float(outputs.max() + labels[0])

    x = Rows(BUILT_IN["mse"]).x
    found = measured(Metric("largest", largest, each_sample=True), batch, labels=np.arange(10))
    assert found.int8 == pytest.approx(float((3 * x).max(1).mean() + 4.5), rel=1e-6)


def test_outputs_are_mapped_from_disk() -> None:
    def mapped(outputs: AnyArray, _: None) -> float:
        base: Any = outputs
        while base is not None and not isinstance(base, np.memmap):
            base = base.base
        return float(isinstance(base, np.memmap))

    assert measured(Metric("mapped", mapped), 2) == Accuracy("mapped", 1.0, 1.0, share=False)


def test_a_function_that_fails_is_named_with_its_line_and_what_it_was_given() -> None:
    def wrong(outputs: AnyArray, labels: AnyArray) -> float:
        return float((outputs == labels["boxes"]).mean())

    with pytest.raises(BadMetric) as found:
        measured(metric_of(wrong), 4)
    assert "TypeError" in found.value.what
    assert found.value.where.startswith(f"metric wrong, {__file__}:")
    assert "outputs [10, 4] and no labels" in found.value.fix


@pytest.mark.parametrize("value", [np.zeros(3), None, "much"])
def test_what_is_no_number_is_refused(value: object) -> None:
    with pytest.raises(BadMetric, match="no number"):
        measured(Metric("odd", lambda *_: value), 4)  # type: ignore[arg-type, return-value]


def test_floors_follow_the_direction_of_the_metric() -> None:
    def comparison(higher: bool) -> tuple[str, ...]:
        metric = Metric("level", lambda outputs, _: float(abs(outputs).mean()), higher_is_better=higher)
        found = compare_models(ir.from_onnx_text(DOUBLE), ir.from_onnx_text(TRIPLE), Rows(metric))
        return check_floors(found, Floors(max_drop=10))

    assert comparison(True) == ()  # tripled is better than doubled
    (line,) = comparison(False)
    assert line.startswith("level drop ")


def test_nan_misses_a_floor() -> None:
    found = compare_models(ir.from_onnx_text(DOUBLE), ir.from_onnx_text(TRIPLE), Rows(Metric("nan", lambda *_: np.nan)))
    assert len(check_floors(found, Floors(max_drop=10, min_accuracy=0.0))) == 2


def test_a_function_is_found_in_a_module_and_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import edgeq\ndef level(outputs, labels):\n    return 1.0\nerror = edgeq.Metric('error', level, higher_is_better=False)\n"
    (tmp_path / "own_metric_code.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    assert metric_of("own_metric_code:level").name == "level"
    assert metric_of("own_metric_code.py:error").higher_is_better is False


@pytest.mark.parametrize("word", ["top2", "nowhere_at_all:f", "nowhere.py:f", "json:nothing", "a:b c", ":f"])
def test_a_word_that_names_no_metric_is_refused(word: str) -> None:
    with pytest.raises(BadMetric):
        metric_of(word)


def test_code_that_fails_when_it_is_imported_is_refused(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("1 / 0")
    with pytest.raises(BadMetric, match="ZeroDivisionError"):
        metric_of(f"{tmp_path / 'broken.py'}:f")


def test_the_identity_sees_labels_code_and_direction() -> None:
    def one(*_: AnyArray) -> float:
        return 1.0

    def two(*_: AnyArray) -> float:
        return 2.0

    ragged = np.array([np.zeros(2), np.zeros(3), None], object)[:2]
    found = [
        judged_by(metric_of(one), None),
        judged_by(Metric("one", two), None),
        judged_by(Metric("one", one, higher_is_better=False), None),
    ]
    found += [judged_by(metric_of(one), np.zeros(3)), judged_by(metric_of(one), ragged), judged_by(None, None)]
    assert len({*found}) == len(found)
    assert judged_by(metric_of(one), ragged) == judged_by(metric_of(one), np.array([np.zeros(2), np.zeros(3), None], object)[:2])
