"""Outputs part by part; other shapes, other types and numbers that are not finite."""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.numerics.arrays import AnyArray
from edgeq.numerics.output_fidelity import PartFidelity, weakest_of
from edgeq.numerics.output_sums import OutputSums
from edgeq.proof.compare import CompareSettings, Comparison, OutputFidelity, check_floors, compare_models
from edgeq.proof.findings import findings
from edgeq.schema.recipe import Floors
from tests.graph_text import net
from tests.proof.test_compare import Rows, rows


def fed(body: str, outputs: str = "float y") -> ir.Model:
    return net(body, inputs="float[N, 4] x", outputs=outputs, constants={"wide": 640.0, "off": 0.1, "much": 0.4, "none": 0.0})


BOXES = "a = Sin(x)  boxes = Mul(a, wide)  s = Sigmoid(x)"
FLOAT = fed(f"{BOXES}  scores = Add(s, none)  y = Concat<axis=1>(boxes, scores)")
INT8 = fed(f"{BOXES}  scores = Mul(s, none)  y = Concat<axis=1>(boxes, scores)")


def test_a_part_that_is_lost_shows_although_the_whole_is_close() -> None:
    [output] = compare_models(FLOAT, INT8, Rows(rows()), CompareSettings(batch=7)).outputs
    assert output.sqnr_db > 50
    assert [part.name for part in output.parts] == ["scores", "boxes"]  # worst first
    assert output.parts[0].sqnr_db == pytest.approx(0)
    assert output.parts[1].sqnr_db == math.inf
    assert weakest_of(output).label == "scores in y"


def test_floors_and_findings_are_about_the_lost_part() -> None:
    found = compare_models(FLOAT, INT8, Rows(rows()))
    assert check_floors(found, Floors(min_sqnr=20)) == ("SQNR of scores in y 0 dB is below the floor of 20 dB",)
    [finding] = findings(found)
    assert (finding.kind, finding.output, finding.part) == ("weak", "y", "scores")
    assert finding.sqnr_db == pytest.approx(0)


def test_the_weakest_of_several_outputs_comes_first_and_is_judged() -> None:
    both = "float y, float[N, 4] z"
    reference, other = (fed(f"y = Sin(x)  c = Cos(x)  z = Add(c, {shift})", both) for shift in ("none", "off"))
    found = compare_models(reference, other, Rows(rows()))
    assert [output.name for output in found.outputs] == ["y", "z"]
    assert [output.name for output in found.worst_first] == ["z", "y"]
    assert found.weakest.output == "z"
    assert "SQNR of z" in check_floors(found, Floors(min_sqnr=30))[0]
    assert check_floors(found, Floors(min_sqnr=10)) == ()


def test_integers_are_not_judged_beside_floats_but_a_change_is_told() -> None:
    both = "int64[N] y, float[N, 4] z"
    reference = fed("z = Sin(x)  y = ArgMax<axis=1, keepdims=0>(z)", both)
    other = fed("z = Sin(x)  y = ArgMin<axis=1, keepdims=0>(z)", both)
    found = compare_models(reference, other, Rows(rows()))
    assert (found.weakest.output, found.weakest.sqnr_db) == ("z", math.inf)
    assert found.outputs[0].equal == 0.0
    assert [(one.kind, one.output) for one in findings(found)] == [("weak", "y")]


@pytest.mark.parametrize("batch", [1, 6])
def test_an_output_whose_size_depends_on_the_numbers_is_compared_where_it_is_alike(batch: int) -> None:
    x = rows(12)
    reference, other = (fed(f"z = Sin(x)  b = Add(x, {shift})  p = Relu(b)  y = NonZero(p)", "int64[2, K] y, float[N, 4] z")
                        for shift in ("none", "much"))  # fmt: skip
    alike = int(((x > 0).sum(1) == (x + np.float32(0.4) > 0).sum(1)).sum())
    assert 0 < alike < 12  # there are both kinds
    found = compare_models(reference, other, Rows(x), CompareSettings(batch=batch))
    assert (found.samples, found.outputs[0].compared, found.outputs[0].uncompared) == (12, alike, 12 - alike)
    assert found.weakest.output == "z"
    assert "uncompared" in {one.kind for one in findings(found)}


def test_an_output_that_is_never_alike_is_unknown_and_no_floor_holds_for_it() -> None:
    sums = OutputSums("y")
    assert not sums.add(np.zeros(3), np.zeros(4))
    found = Comparison((sums.fidelity(),), 1, None)
    assert math.isnan(found.weakest.sqnr_db)
    assert check_floors(found, Floors(min_sqnr=1))
    assert [one.kind for one in findings(found)] == ["uncompared"]


def test_numbers_that_are_not_finite_in_one_model_are_counted_apart() -> None:
    reference, other = fed("y = Sqrt(x)"), fed("a = Relu(x)  y = Sqrt(a)")
    x = rows()
    [output] = (found := compare_models(reference, other, Rows(x))).outputs
    assert (output.sqnr_db, output.nonfinite) == (math.inf, int((x < 0).sum()))
    assert [one.kind for one in findings(found)] == ["nonfinite"]


@pytest.mark.parametrize("words", [np.array(["cat"]), np.array(["cat"], object)])
def test_an_output_without_numbers_is_named_and_stops_nothing(words: AnyArray) -> None:
    sums = OutputSums("words")
    assert sums.add(words, words)
    close = OutputFidelity("y", 40.0, 1.0, 0.1, None)
    found = Comparison((sums.fidelity(), close), 1, None)
    assert found.weakest.output == "y"
    assert [(one.kind, one.output) for one in findings(found)] == [("uncompared", "words")]


def test_an_unknown_part_is_the_weakest() -> None:
    parts = (PartFidelity("a", 30.0, 1.0, 0.0), PartFidelity("b", math.nan, 1.0, 0.0))
    assert weakest_of(OutputFidelity("y", 40.0, 1.0, 0.0, None, parts=parts)).part == "b"


def halves(array: AnyArray) -> AnyArray:
    return np.where(np.arange(array.shape[-1]) < array.shape[-1] // 2, 1, 2) + np.zeros(array.shape)


def test_one_part_alone_is_no_part() -> None:
    sums = OutputSums("y", ("a", "b"))
    array = np.ones((2, 4))
    sums.add(array, array, np.ones((2, 4)))
    assert sums.fidelity().parts == ()
    sums.add(array, array, halves(array))
    assert [part.name for part in sums.fidelity().parts] == ["a", "b"]


@pytest.mark.parametrize("tail", ["y = Identity(c)", "r = Reshape(c, flat)  y = Transpose<perm=[0, 2, 1]>(r)"])
def test_narrow_channels_of_one_layer_are_told(tail: str) -> None:
    """Four channels of boxes and three of scores from one Conv: the scores round to nothing."""
    weight = np.ones((7, 4, 1, 1)) * np.array([640.0] * 4 + [0.5] * 3).reshape(7, 1, 1, 1)
    lost = weight * np.array([1.0] * 4 + [0.0] * 3).reshape(7, 1, 1, 1)
    made = [net(f"c = Conv(x, w)  {tail}", inputs="float[N, 4, 2, 2] x", constants={"w": one, "flat": np.array([0, 7, 4])})
            for one in (weight, lost)]  # fmt: skip
    x = np.random.default_rng(3).standard_normal((6, 4, 2, 2)).astype(np.float32)
    found = compare_models(made[0], made[1], Rows(x))
    assert found.weakest.sqnr_db > 40
    [finding] = findings(found)
    assert (finding.kind, finding.part, finding.sqnr_db) == ("weak", "channels 4 to 6", pytest.approx(0))


def test_channels_that_are_hardly_used_here_and_there_are_not_told() -> None:
    sums = OutputSums("y", (), (1, 5))
    array = np.ones((2, 5, 3)) * np.array([1.0, 1e-3, 1.0, 1e-3, 1.0]).reshape(1, 5, 1)
    sums.add(array, np.round(array))
    assert sums.fidelity().narrow is None
