"""Tests of pages in a real browser: what is drawn, clicked, walked by keys, and told to readers.

They skip with a reason where no Chromium is installed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgeq.api import quantize
from edgeq.data.shipped import shipped_model
from edgeq.numerics.codebook import encode, parse_grain
from edgeq.report.codebooks import describe
from edgeq.report.page.write import side_by_side, to_html
from edgeq.report.report import Report
from edgeq.schema.cost import INTEGERS
from edgeq.schema.finetune import Training
from edgeq.schema.recipe import Recipe
from edgeq.search.verdict import Choice, Search
from tests.report.page.browser import Tab, browser, found_browser
from tests.report.page.large import large_report
from tests.reports import full_report


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    path = found_browser()
    if path is None:
        pytest.skip("no Chromium is installed (apt-get install chromium)")
    with browser(path, tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module")
def digits() -> Report:
    """A run with everything that a page draws, one node of which is float."""
    recipe = Recipe(placement=INTEGERS, effort="fast", keep_float=("Conv_4",))
    report = quantize(shipped_model("digits"), "digits", recipe=recipe, detail=True).report
    weight = np.array([[-1, -1, 0.5], [0.5, 1, 1]], np.float32)
    book = encode(np.array([[-2, -2, 1], [1, 2, 2]], np.int8), parse_grain("tensor"), 0, 2)
    assert book is not None
    points = tuple(Choice(f"candidate {at}", at == 1, 40.0 - 3 * at, None, None, 100.0, 1000 - 200 * at, None) for at in range(3))
    search = Search(
        "size", "calib.npz", 12, "held_out", 4, True, "the smallest file", points, (replace(points[0], name="beaten", bytes=2000),)
    )
    training = Training((3.0, 2.0, 1.0), (2.5, 1.5, 1.75), 3.5, 1.5, 2)
    codebooks = tuple(describe(name, weight, weight, book, np.float32([0.5, 0.5])) for name in ("stem<b>", "head"))
    return replace(report, search=search, training=training, codebooks=codebooks)


@pytest.fixture(scope="module")
def page(digits: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(to_html(digits), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def compared(digits: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "compared.html"
    reports = [digits, replace(full_report(), model="other.onnx"), full_report(2.0, 12.0)]
    path.write_text(side_by_side(reports, ["a/mse.json", "b/mse.json", "c.json"]), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def named(digits: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of nodes whose names are cut in the graph."""
    path = tmp_path_factory.mktemp("page") / "named.html"
    detail = digits.detail
    assert detail is not None
    nodes = tuple(replace(node, name=f"re_lu_3/add:0/{node.name}/of_a_long_name") for node in detail.nodes)
    path.write_text(to_html(replace(digits, detail=replace(detail, nodes=nodes), codebooks=())), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "large.html"
    path.write_text(to_html(large_report(700)), encoding="utf-8")
    return path


def texts(tab: Tab, selector: str) -> list[str]:
    found = tab.run(f"[...document.querySelectorAll({json.dumps(selector)})].map(e => e.textContent)")
    return [str(text) for text in found]


def heads(tab: Tab) -> list[str]:
    return texts(tab, "h2")


@pytest.mark.parametrize(("width", "dark"), [(1400, False), (1400, True), (400, False), (400, True)])
def test_a_page_is_drawn_without_complaints_and_fits(tab: Tab, page: Path, width: int, dark: bool) -> None:
    tab.open(page, width=width, dark=dark)
    assert {"The model, node by node", "Layers", "What the grids keep and clip", "Size and time", "Search", "Training", "Run it"} <= set(
        heads(tab)
    )
    assert tab.run("document.documentElement.scrollWidth") == width
    assert tab.complaints == []


def test_a_click_on_a_node_shows_its_grids(tab: Tab, page: Path) -> None:
    tab.open(page)
    tab.click("g.card.int8")
    panel = texts(tab, ".panel")[0]
    assert "Conv_1" in panel
    assert "in integers: QLinearConv" in panel
    assert "uint8, scale 0.003922" in panel
    assert "SQNR of its output" in panel
    assert tab.run("document.querySelectorAll('.panel svg .bin').length") > 10
    assert tab.run("document.querySelectorAll('.panel svg .bin.cut').length") == 0  # nothing of an image in 0..1 is clipped
    assert tab.run("document.querySelectorAll('.wire.lit').length") >= 1


def test_a_drag_moves_and_is_no_click(tab: Tab, page: Path) -> None:
    tab.open(page)
    before = tab.run("document.querySelector('.stage svg > g').getAttribute('transform')")
    box = tab.run("(() => { const b = document.querySelector('g.card.int8').getBoundingClientRect(); return [b.x + 9, b.y + 9]; })()")
    for kind, x, y in (("mousePressed", 0, 0), ("mouseMoved", 40, -30), ("mouseMoved", 80, -90), ("mouseReleased", 80, -90)):
        tab.ask("Input.dispatchMouseEvent", type=kind, x=box[0] + x, y=box[1] + y, button="left", buttons=1, clickCount=1)
    assert tab.run("document.querySelector('.stage svg > g').getAttribute('transform')") != before
    assert "Click a node" in texts(tab, ".panel")[0]


def test_keys_walk_zoom_and_find_floats(tab: Tab, page: Path) -> None:
    tab.open(page)
    tab.run("document.querySelector('g.card[tabindex=\"0\"]').focus()")
    said = "document.activeElement.getAttribute('aria-label')"
    assert "Conv_1" in tab.run(said)
    tab.press("ArrowDown")
    assert "BatchNormalization_1" in tab.run(said)
    tab.press("ArrowUp")
    assert "Conv_1" in tab.run(said)
    tab.press("f")
    assert "Conv_4" in tab.run(said) and "in float" in tab.run(said)
    assert "kept float" in texts(tab, ".panel")[0]
    before = tab.run("document.querySelector('.stage svg > g').getAttribute('transform')")
    tab.press("+")
    assert tab.run("document.querySelector('.stage svg > g').getAttribute('transform')") != before


def test_every_part_is_reached_by_the_tab_key(tab: Tab, page: Path) -> None:
    tab.open(page)
    seen = set()
    for _ in range(80):
        tab.press("Tab")
        seen.add(tab.run("document.activeElement.closest('section')?.querySelector('h2')?.textContent ?? document.activeElement.tagName"))
    assert {"The model, node by node", "Layers", "What the grids keep and clip"} <= seen


def test_tables_sort_filter_and_unfold(tab: Tab, page: Path) -> None:
    tab.open(page)
    rows = "section[aria-labelledby=layers] tbody tr"
    folded = len(texts(tab, rows))
    assert all("vanished" not in row for row in texts(tab, rows))
    tab.click("section[aria-labelledby=layers] .tools button")
    assert len(texts(tab, rows)) == 29 > folded
    names = "section[aria-labelledby=layers] tbody th"
    tab.click("section[aria-labelledby=layers] thead button")
    first = texts(tab, names)
    tab.click("section[aria-labelledby=layers] thead button")
    assert texts(tab, names) == first[::-1] == sorted(first, reverse=True)
    assert tab.run("document.querySelector('section[aria-labelledby=layers] th').getAttribute('aria-sort')") == "descending"
    field = "document.querySelector('section[aria-labelledby=layers] input')"
    tab.run(f"{field}.value = 'hardswish'; {field}.dispatchEvent(new Event('input'))")
    assert len(texts(tab, rows)) == 3


def test_a_row_leads_to_its_node(tab: Tab, page: Path) -> None:
    tab.open(page)
    tab.click("section[aria-labelledby=layers] tbody button")
    name = texts(tab, "section[aria-labelledby=layers] tbody button")[0]
    assert name in texts(tab, ".panel h3")[0]


def test_charts_tell_what_they_show(tab: Tab, page: Path) -> None:
    tab.open(page)
    told = tab.run("[...document.querySelectorAll('svg[role=img]')].map(e => e.getAttribute('aria-label'))")
    assert all(told)
    assert any("chosen: candidate 1, 37.0 dB, 800 B" in one for one in told)
    assert any("from 3.5 to 1.5, epoch 2 of 3 kept" in one for one in told)
    assert any("3 values of the table: -1, 0.5, 1" in one for one in told)


def test_a_codebook_shows_its_values_and_its_numbers(tab: Tab, page: Path) -> None:
    tab.open(page)
    edges = "section[aria-labelledby=codebooks] details:first-of-type line.edge"
    lines = tab.run(f"[...document.querySelectorAll('{edges}')].map(e => Number(e.getAttribute('x1')))")
    assert lines == [0, 480, 640]  # -1, 0.5 and 1 of -1..1
    assert texts(tab, "section[aria-labelledby=codebooks] .matrix td")[:3] == ["-1", "-1", "0.5"]
    assert "stem<b>" in texts(tab, "section[aria-labelledby=codebooks] summary")[0]


def test_copying_says_so(tab: Tab, page: Path) -> None:
    tab.open(page)
    tab.click("section[aria-labelledby=code] button")
    tab.until("document.querySelector('section[aria-labelledby=code] button').textContent !== 'Copy'")
    assert "code" in tab.run("document.getElementById('said').textContent") or tab.run("document.getElementById('said').textContent")


def test_a_large_graph_is_folded_and_its_blocks_open(tab: Tab, tmp_path: Path) -> None:
    path = tmp_path / "large.html"
    path.write_text(to_html(large_report(3000)), encoding="utf-8")
    tab.open(path)
    blocks = tab.run("document.querySelectorAll('g.card.block').length")
    assert 40 < blocks < 250
    tab.click("g.card.block")
    assert tab.run("document.querySelectorAll('g.card.block').length") == 0
    assert 10 < tab.run("document.querySelectorAll('g.card.int8').length") < 100
    tab.press("Escape")
    assert tab.run("document.querySelectorAll('g.card.block').length") == blocks
    assert tab.complaints == []


def test_a_large_document_is_packed_and_below_a_megabyte(tab: Tab, tmp_path: Path) -> None:
    path = tmp_path / "large.html"
    path.write_text(to_html(large_report(3000)), encoding="utf-8")
    assert 'type="application/zlib"' in path.read_text(encoding="utf-8")
    assert path.stat().st_size < 1_000_000
    tab.open(path)
    field = "document.querySelector('section[aria-labelledby=ranges] input')"
    tab.run(f"{field}.value = 'v2999'; {field}.dispatchEvent(new Event('input'))")
    assert texts(tab, "section[aria-labelledby=ranges] tbody th") == ["v2999"]
    assert tab.complaints == []


def test_letters_of_a_chart_keep_their_size_on_a_phone(tab: Tab, page: Path) -> None:
    tab.open(page, width=400)
    shrunk = "e.ownerSVGElement.getBoundingClientRect().width / e.ownerSVGElement.viewBox.baseVal.width"
    assert min(tab.run(f"[...document.querySelectorAll('svg.chart text')].map(e => {shrunk})")) > 0.9


def test_names_in_a_chart_do_not_lie_on_each_other(tab: Tab, page: Path) -> None:
    tab.open(page)
    points = "[{name: 'mse', x: 9, y: 9}, {name: 'minmax', x: 9, y: 9}, {name: 'kl', x: 300, y: 9}]"
    assert tab.run(f"beside({points}, 640).map(e => Number(e.getAttribute('y')))") == [9, 23, 9]


def test_the_overview_of_blocks_has_the_colour_of_most_kernels(tab: Tab, tmp_path: Path) -> None:
    report = large_report(3000)
    assert report.detail is not None
    nodes = tuple(
        replace(node, runs_as="float" if at >= 1500 and node.runs_as == "int8" else node.runs_as)
        for at, node in enumerate(report.detail.nodes)
    )
    path = tmp_path / "half.html"
    path.write_text(to_html(replace(report, detail=replace(report.detail, nodes=nodes))), encoding="utf-8")
    tab.open(path)
    counts = [tab.run(f"document.querySelectorAll('.overview .share-{way}').length") for way in ("int8", "float")]
    assert min(counts) > 30


def test_markup_in_names_stays_text(tab: Tab, tmp_path: Path) -> None:
    evil = "</script><img src=x onerror=document.title='taken'><script>document.title='taken'</script>"
    report = full_report()
    assert report.placement is not None
    nodes = tuple(replace(node, name=f"{evil}{at}", reason=evil) for at, node in enumerate(report.placement.nodes))
    path = tmp_path / "evil.html"
    path.write_text(to_html(replace(report, model=evil, placement=replace(report.placement, nodes=nodes), notes=(evil,))), encoding="utf-8")
    tab.open(path)
    assert "taken" not in tab.run("document.title").removeprefix("edgeq: ").split("<")[0]
    assert tab.run("document.querySelectorAll('img').length") == 0
    assert any(evil in text for text in texts(tab, "tbody th"))


def test_runs_stand_side_by_side_and_one_is_chosen(tab: Tab, compared: Path) -> None:
    tab.open(compared)
    assert texts(tab, "section[aria-labelledby=figures] thead th") == ["Figure", "a/mse", "b/mse", "c"]
    assert not any("faster" in text or "slower" in text for text in texts(tab, "p.verdict"))  # once for each run, it hides the rest
    assert {"Figures side by side", "Closeness against cost", "Layers side by side", "The model, node by node"} <= set(heads(tab))
    tab.click("section[aria-labelledby=one] button", 2)
    assert "The model, node by node" not in heads(tab)  # this run has no graph
    assert tab.complaints == []


def test_a_run_that_equals_float_and_one_that_was_not_measured_are_told(tab: Tab, tmp_path: Path) -> None:
    path = tmp_path / "compared.html"
    reports = [full_report(sqnr_db=float("inf")), replace(full_report(), fidelity=None), full_report(), full_report(2.0, 12.0)]
    path.write_text(side_by_side(reports, ["same.json", "unmeasured.json", "c.json", "d.json"]), encoding="utf-8")
    tab.open(path)
    told = texts(tab, "p.soft.small")
    assert any("same: equal to float," in text and "unmeasured: -," in text and "d: 12.0 dB," in text for text in told)
    assert not any("NaN" in text for text in told)
    assert tab.complaints == []


@pytest.mark.parametrize("width", [1400, 400])
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("which", ["page", "named", "compared", "large"])
def test_axe_finds_nothing(tab: Tab, which: str, dark: bool, width: int, request: pytest.FixtureRequest) -> None:
    axe = os.environ.get("EDGEQ_AXE", "node_modules/axe-core/axe.min.js")
    if not Path(axe).is_file():
        pytest.skip(f"axe-core is not at {axe}; npm install axe-core, or set EDGEQ_AXE to its axe.min.js")
    tab.open(request.getfixturevalue(which), width=width, dark=dark)
    tab.run("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    tab.run("document.querySelector('g.card.int8')?.dispatchEvent(new MouseEvent('click', { bubbles: true }))")
    tab.run(Path(axe).read_text(encoding="utf-8") + "; 1")
    found = tab.run(
        "axe.run(document).then(r => r.violations.map(v => [v.impact, v.id, v.nodes.slice(0, 3).map(n => n.html.slice(0, 160))]))"
    )
    assert found == []
