"""Effort best on the model that ships: floors are reached, a plan repeats it, a folder resumes it,
and what cannot work is refused.
"""

from __future__ import annotations

import itertools
import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from edgeq.api import Quantized, quantize
from edgeq.data.shipped import shipped_model
from edgeq.errors import BadData, BadOutput
from edgeq.io.save import save_model
from edgeq.progress import Silent
from edgeq.proof.latency import Latency
from edgeq.report.page.write import to_html
from edgeq.report.text import report_text
from edgeq.schema.plan import load_plan
from edgeq.schema.recipe import Floors, Recipe
from edgeq.search import trials
from tests.reports import document, plain_text
from tests.small_models import conv_net

DIGITS = shipped_model("digits")
SAMPLES = 64


@cache
def floor() -> float:
    """dB that the default misses on these samples and a few float layers reach."""
    found = quantize(DIGITS, "digits", recipe=Recipe(samples=SAMPLES)).report.fidelity
    assert found is not None
    return found.sqnr_db + 1.5


class Listener(Silent):
    """Keeps what a search notes."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def note(self, text: str) -> None:
        self.told.append(text)


def best(
    work: Path | None = None,
    *,
    objective: str = "accuracy",
    floors: Floors | None = None,
    minutes: float = 5.0,
    listener: Listener | None = None,
) -> Quantized:
    settings = {"effort": "best", "objective": objective, "samples": SAMPLES, "minutes": minutes}
    settings["floors"] = floors or Floors(min_sqnr=floor())
    return quantize(DIGITS, "digits", recipe=Recipe.model_validate(settings), work=work, progress=listener)


@pytest.fixture(scope="module")
def repaired(tmp_path_factory: pytest.TempPathFactory) -> tuple[Quantized, Path]:
    """A search that had to give layers back to float and told of it, and its folder."""
    work, listener = tmp_path_factory.mktemp("search") / "work", Listener()
    made = best(work, listener=listener)
    assert listener.told[0].startswith("best so far, of 1: the default: SQNR")
    assert len(listener.told) > 1
    return made, work


def test_the_floor_is_reached_with_most_work_in_integers(repaired: tuple[Quantized, Path]) -> None:
    report = repaired[0].report
    assert report.search is not None
    assert report.fidelity is not None
    assert report.placement is not None
    default = next(point for point in report.search.points if point.name == "the default")
    assert (default.chosen, default.sqnr_db < floor()) == (False, True)
    assert report.gate == "passed"
    assert report.fidelity.sqnr_db >= floor()
    (chosen,) = [point for point in report.search.points if point.chosen]
    assert chosen.sqnr_db == pytest.approx(report.fidelity.sqnr_db)
    assert chosen.integer_pct == pytest.approx(report.placement.macs_int8_pct)  # what was planned is what runs
    assert 0 < chosen.integer_pct < 100
    assert report.search.finished


def test_the_report_says_what_was_searched_and_on_what(repaired: tuple[Quantized, Path]) -> None:
    report = repaired[0].report
    text = plain_text(report_text(report), width=120)
    assert "kept float by the search" in text
    assert "12 held-out samples of digits" in text
    assert "objective accuracy: most multiply-accumulates in integers" in text
    assert report.search is not None
    drawn = document(to_html(report))["runs"][0]["search"]
    assert [point["name"] for point in drawn["points"] if point["chosen"]] == [point.name for point in report.search.points if point.chosen]
    assert len(drawn["points"]) == report.search.tried


def test_the_plan_alone_repeats_it_byte_for_byte(repaired: tuple[Quantized, Path], tmp_path: Path) -> None:
    made, _ = repaired
    again = quantize(DIGITS, plan=made.plan)
    for name, one in (("made", made), ("again", again)):
        save_model(one.model, tmp_path / f"{name}.onnx")
    assert (tmp_path / "made.onnx").read_bytes() == (tmp_path / "again.onnx").read_bytes()
    assert again.plan == made.plan
    assert made.plan.search is not None
    assert made.plan.search.gate == "passed"


def test_the_folder_holds_the_best_as_a_plan(repaired: tuple[Quantized, Path]) -> None:
    made, work = repaired
    found = json.loads((work / "best.plan.json").read_text())
    wanted = json.loads(made.plan.to_json())
    found.pop("search"), wanted.pop("search")
    assert found == wanted


def test_the_same_search_again_measures_nothing(repaired: tuple[Quantized, Path]) -> None:
    made, work = repaired
    before = (work / "search.jsonl").read_bytes()
    again = best(work, minutes=1e-9)  # no measurement may begin
    assert again.plan == made.plan
    assert (work / "search.jsonl").read_bytes() == before


@pytest.mark.parametrize("rounding", ["apart", "in_sequence"])
def test_candidates_start_from_the_plan_before_its_biases_were_corrected(rounding: str, tmp_path: Path) -> None:
    """A correction holds only for the errors that it was made for, and a candidate has others."""
    recipe = Recipe.model_validate({"effort": "best", "samples": SAMPLES, "minutes": 1e-9, "rounding": rounding})
    made = quantize(DIGITS, "digits", recipe=recipe, work=tmp_path)
    draft, default = (load_plan(tmp_path / f"{name}.plan.json") for name in ("draft", "default"))
    assert draft.biases.keys() == default.biases.keys() != set()
    assert [name for name in draft.biases if draft.biases[name] == default.biases[name]] == []
    assert draft.with_biases(default.biases) == default  # and nothing else differs
    assert made.plan.biases == default.biases


def test_a_search_goes_on_from_what_is_there(repaired: tuple[Quantized, Path], tmp_path: Path) -> None:
    """The first half of the journal stays, line by line; the result is the same as in one go."""
    made, work = repaired
    lines = (work / "search.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "search.jsonl").write_bytes(b"".join(lines[: len(lines) // 2]) + lines[-1][:7])
    again = best(tmp_path)
    assert again.plan == made.plan
    assert (tmp_path / "search.jsonl").read_bytes() == b"".join(lines)


def test_without_time_the_default_stays_and_it_is_said() -> None:
    made = best(minutes=1e-9)
    assert made.report.search is not None
    assert not made.report.search.finished
    assert "time was over" in made.report.search.why
    assert (made.report.gate, made.report.search.tried) == ("failed", 1)


def test_latency_takes_what_was_timed_and_is_near_enough_to_the_default() -> None:
    data = {"x": np.random.default_rng(1).normal(size=(16, 3, 8, 8)).astype(np.float32)}
    made = quantize(conv_net(), data, recipe=Recipe(effort="best", objective="latency"))
    search, last = made.report.search, {step.name: step.sqnr_db for step in made.report.steps}
    assert search is not None
    (chosen,) = [point for point in search.points if point.chosen]
    assert chosen.ratio is not None
    default = list(last.values())[-2]  # the last step is the search itself
    assert default is not None
    assert chosen.sqnr_db >= default - 1
    assert {point.name for point in search.points} >= {"integers for storage only"}  # closest to float, whatever the clock says
    assert search.tried == 4  # the default, all in float, and either of the two layers in float


def test_what_leaves_no_layer_in_integers_is_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where each of the two layers is faster in float, both together are all in float again."""
    took = itertools.chain([1.1, 2.0], itertools.repeat(1.0))  # all in float, the default, the others
    monkeypatch.setattr(trials, "measure_latency", lambda *_, **__: Latency(1.0, ratio := next(took), ratio, 1, 1, 9, 0.0, ratio))
    data = {"x": np.random.default_rng(1).normal(size=(16, 3, 8, 8)).astype(np.float32)}
    search = quantize(conv_net(), data, recipe=Recipe(effort="best", objective="latency"), prove=False).report.search
    assert search is not None
    assert search.tried == 4
    assert {point.name for point in search.points} >= {"integers for storage only"}


def test_size_takes_the_smallest_file() -> None:
    made = best(objective="size", floors=Floors())
    search = made.report.search
    assert search is not None
    (chosen,) = [point for point in search.points if point.chosen]
    assert chosen.bytes == min(point.bytes for point in search.points)
    assert made.report.size.int8_bytes < made.report.size.float_bytes / 2
    assert made.plan.search is not None
    assert made.plan.search.objective == "size"


def test_the_sizes_of_a_search_are_those_of_the_files(repaired: tuple[Quantized, Path], tmp_path: Path) -> None:
    """Of the chosen candidate, and of one that was not: its plan alone writes its file."""
    made, work = repaired
    assert made.report.search is not None
    points = {point.chosen: point for point in made.report.search.points if point.chosen or point.name == "the default"}
    made.save(tmp_path / "chosen.onnx")
    assert points[True].bytes == (tmp_path / "chosen.onnx").stat().st_size == made.report.size.int8_bytes
    default = load_plan(work / "default.plan.json")
    quantize(DIGITS, plan=default, prove=False).save(tmp_path / "default.onnx")
    # the plan alone does not know that floors are missed: "none" in the place of "failed"
    assert points[False].bytes == (tmp_path / "default.onnx").stat().st_size + len("failed") - len("none")


@pytest.mark.parametrize("objective", ["size", "latency"])
@pytest.mark.parametrize("inputs_as", ["float", "uint8"])
def test_so_they_are_for_other_objectives_and_inputs(objective: str, inputs_as: str, tmp_path: Path) -> None:
    data = {"x": np.random.default_rng(1).uniform(-1, 1, size=(16, 3, 8, 8)).astype(np.float32)}
    settings = {"effort": "best", "objective": objective, "inputs_as": inputs_as, "preprocessing": {"mean": [127.5], "std": [127.5]}}
    if inputs_as == "float":
        del settings["preprocessing"]
    made = quantize(conv_net(), data, recipe=Recipe.model_validate(settings))
    assert made.report.search is not None
    (chosen,) = [point for point in made.report.search.points if point.chosen]
    made.save(tmp_path / "m.onnx")
    assert chosen.bytes == (tmp_path / "m.onnx").stat().st_size


def test_labels_are_needed_for_floors_on_accuracy() -> None:
    data = {"x": np.random.default_rng(1).normal(size=(16, 3, 8, 8)).astype(np.float32)}
    with pytest.raises(BadData, match="max_drop"):
        quantize(conv_net(), data, recipe=Recipe(effort="best", floors=Floors(max_drop=1)))
    with pytest.raises(BadData, match="there is none"):
        quantize(DIGITS, plan=None, recipe=Recipe(effort="best"))


def test_another_data_set_can_judge() -> None:
    recipe = Recipe(effort="best", samples=SAMPLES, floors=Floors(max_drop=5))
    search = quantize(DIGITS, "digits", validation="digits", recipe=recipe).report.search
    assert search is not None
    assert (search.on, search.samples) == ("validation", 597)


def test_another_searchs_folder_is_refused(repaired: tuple[Quantized, Path]) -> None:
    with pytest.raises(BadOutput, match="another search"):
        best(repaired[1], floors=Floors(min_sqnr=floor() + 1))
