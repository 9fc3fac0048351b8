"""Rows of what was measured, and the figure and the table that are made of them."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.figures.bars import Group, bars, histogram
from benchmarks.figures.quality_latency import Axes, figure
from benchmarks.figures.rows import FOLDER, OURS, Row, read_rows, table, write_rows

ROOT = Path(__file__).resolve().parents[2]
SVG = "{http://www.w3.org/2000/svg}"


def row(model: str, tool: str, sqnr_db: float | None = 30.0, x_float: float | None = 0.5) -> Row:
    return Row("zoo", model, tool, sqnr_db, x_float, 0.26, 10.0, 300.0, "cpu", "2026-01-02", "1.0", "abc")


ROWS = [row("a", OURS, 30.0, 0.4), row("a", "ort:minmax", 20.0, 0.5), row("b", OURS, 35.5, 1.2), row("b", "ort:minmax", 31.0, 0.9)]


def marks(svg: str) -> list[str]:
    """The words of each mark, in the order in which they are drawn."""
    return [str(group[0].text) for group in ET.fromstring(svg).iter(f"{SVG}g")]


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    rows = [*ROWS, replace(row("c", "ort:minmax", None, None), error='exit 1: it, "said" so\nand more')]
    write_rows(tmp_path / "r.csv", reversed(rows))
    assert read_rows([tmp_path / "r.csv"]) == rows


def test_of_two_rows_alike_the_later_file_counts(tmp_path: Path) -> None:
    write_rows(tmp_path / "1.csv", ROWS)
    write_rows(tmp_path / "2.csv", [row("b", OURS, 36.0, 0.8)])
    assert [one.x_float for one in read_rows([tmp_path / "1.csv", tmp_path / "2.csv"]) if one.tool == OURS] == [0.4, 0.8]


def test_the_figure_is_the_same_bytes_for_the_same_rows() -> None:
    assert figure(ROWS) == figure(list(ROWS))
    assert figure(ROWS) != figure([*ROWS[:3], row("b", "ort:minmax", 31.0, 0.91)])


def test_every_row_with_both_numbers_has_a_mark_and_each_pair_a_line() -> None:
    svg = figure([*ROWS, row("c", OURS, None, 0.5), row("d", OURS, float("inf"), 0.5)])
    assert marks(svg) == [f"{one.model} (zoo), {one.tool}: {one.sqnr_db:.1f} dB, {one.x_float:.2f} x float" for one in
                          sorted(ROWS, key=lambda one: one.tool == OURS)]  # fmt: skip
    assert len(re.findall(r'<line class="join"', svg)) == 2


def test_up_is_closer_to_float_and_left_is_faster() -> None:
    axes = Axes([(one, one.x_float or 0, one.sqnr_db or 0) for one in ROWS])
    assert axes.y(35) < axes.y(30)
    assert axes.x(0.5) < axes.x(1.0)
    assert axes.x(0.5) - axes.x(0.25) == pytest.approx(axes.x(1.0) - axes.x(0.5))


def test_all_that_is_drawn_lies_inside_and_both_axes_are_named() -> None:
    root = ET.fromstring(figure([*ROWS, row("low", OURS, -12.0, 0.08), row("high", OURS, 71.0, 4.0)]))
    places = [float(one.attrib[name]) for one in root.iter() for name in ("cx", "x1", "x2") if name in one.attrib]
    heights = [float(one.attrib[name]) for one in root.iter() for name in ("cy", "y1", "y2") if name in one.attrib]
    assert 0 <= min(places) <= max(places) <= 860
    assert 0 <= min(heights) <= max(heights) <= 560
    words = [one.text for one in root.iter(f"{SVG}text")]
    assert any("latency" in str(text) for text in words)
    assert any("SQNR" in str(text) for text in words)


def test_no_colour_is_fixed_where_pages_are_light_or_dark() -> None:
    svg = figure(ROWS)
    light, dark = re.findall(r"svg \{([^}]*)\}", svg)
    assert {name for name, _ in re.findall(r"(--\w+): (#\w+)", light)} == {name for name, _ in re.findall(r"(--\w+): (#\w+)", dark)}
    assert not re.search(r"(fill|stroke)(=\"|: ?)#", svg)


def test_names_of_models_cannot_break_the_file() -> None:
    assert marks(figure([row("<b>&", OURS)]))[0].startswith("<b>& (zoo)")


def test_the_table_says_what_failed_and_leaves_open_what_was_not_measured() -> None:
    lines = table([row("a", OURS), replace(row("a", "ort:minmax", None, None), x_size=None, error="exit 1")])
    assert lines[0].count("|") == lines[1].count("|") == lines[2].count("|")
    assert lines[2].startswith("| a (zoo) | 30.0 | failed | 0.50 |  | 0.26 |  |")


def test_tools_of_a_group_with_many_peers_have_lines_of_their_own_and_edgeq_the_first() -> None:
    rivals = [
        replace(row("a", tool, level), group="rivals")
        for tool, level in ((OURS, 30.0), ("nncf:fast", 28.0), ("a:b", 20.0), ("ort:x", None))
    ]
    lines = table([*ROWS, *rivals])
    assert lines[: len(table(ROWS))] == table(ROWS)
    assert [line.split(" | ")[1] for line in lines[-4:]] == [OURS, "a:b", "nncf:fast", "ort:x"]
    assert lines[-4].startswith("| a (rivals) | edgeq | 30.0 | 0.50 |") and lines[-1].startswith("| a (rivals) | ort:x |  | 0.50 |")


def test_groups_of_few_peers_stay_beside_each_other() -> None:
    assert "" not in table(ROWS) and "tool" not in table(ROWS)[0]


def test_the_figure_of_the_docs_is_that_of_the_rows() -> None:
    assert (ROOT / "docs" / "benchmarks.svg").read_text(encoding="utf-8") == figure(read_rows(sorted(FOLDER.glob("*.csv"))))


def test_rows_say_where_and_when_they_were_measured() -> None:
    assert all(one.machine and one.date and one.load and one.commit for one in read_rows(sorted(FOLDER.glob("*.csv"))))


def test_the_table_of_the_docs_is_that_of_the_rows() -> None:
    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert "\n".join(table(read_rows(sorted(FOLDER.glob("*.csv"))))) in page


def test_the_bars_of_concepts_name_their_layers_and_grow_with_the_value() -> None:
    svg = ET.fromstring(bars("Errors", [Group("first", (10.0, 20.0)), Group("second", (5.0, 20.0))], ("coarse", "fine")))
    words = [text.text for text in svg.iter(f"{SVG}text")]
    assert {"Errors", "first", "second", "coarse", "fine", "10", "20"} <= set(words)
    heights = [float(one.attrib["height"]) for one in svg.iter(f"{SVG}rect") if one.attrib["class"] in ("a", "b")]
    assert heights[0] == pytest.approx(2 * heights[2], abs=0.2)
    assert heights[1] == heights[3] > heights[0]


def test_the_histogram_of_concepts_shows_both_ranges_and_what_is_clipped() -> None:
    values = np.array([0.0] * 98 + [10.0, -1.0])
    svg = histogram("value", values, (-1.0, 10.0), (-1.0, 5.0))
    assert "rule mse clips 1 % of the values" in svg
    assert len(re.findall(r'<line class="end-a"', svg)) == len(re.findall(r'<line class="end-b"', svg)) == 2


def test_the_figures_of_concepts_are_those_of_the_page() -> None:
    page = (ROOT / "docs" / "concepts.md").read_text(encoding="utf-8")
    for name in ("ranges", "granularity", "rounding"):
        assert f"(figures/{name}.svg)" in page
        ET.parse(ROOT / "docs" / "figures" / f"{name}.svg")
