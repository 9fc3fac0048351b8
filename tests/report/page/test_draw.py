"""Tests of the drawing of graphs: rows, places, blocks, and that nothing is lost in them."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

import pytest

from edgeq.report.detail.detail import NodeDetail
from edgeq.report.page.blocks import MOST, blocks_of
from edgeq.report.page.draw import MOST_PLAIN, MOST_WHOLE, draw
from edgeq.report.page.drawing import Box, View
from edgeq.report.page.places import Size, placed
from edgeq.report.page.ranks import Edge, ranked, rows_of


def node(name: str, reads: tuple[str, ...], makes: tuple[str, ...] = (), *, constant: bool = False, vanished: bool = False) -> NodeDetail:
    runs = "vanished" if vanished else "int8"
    return NodeDetail(name, "Conv", runs, "", "", 0, reads, makes or (f"{name}_out",), 0, 0, constant)  # type: ignore[arg-type]


def chain(count: int) -> list[NodeDetail]:
    """Nodes in a line, every fourth of them with a way around it."""
    made = [node("n0", ("x",))]
    made += [
        node(f"n{at}", tuple(dict.fromkeys((f"n{at - 1}_out", f"n{max(0, at - 2)}_out" if at % 4 == 0 else f"n{at - 1}_out"))))
        for at in range(1, count)
    ]
    return made


def graph(seed: int, count: int) -> list[Edge]:
    draws = random.Random(seed)
    return sorted({(draws.randrange(max(0, at - 6), at), at) for at in range(1, count) for _ in range(draws.randint(1, 2))})


def test_blocks_of_one_name_are_numbered_and_named_after_what_has_kernels() -> None:
    drawing = draw([replace(one, op_type="BatchNormalization" if at % 3 else "Conv", runs_as="vanished" if at % 3 else "int8")
                    for at, one in enumerate(chain(MOST_PLAIN + 20))], [])  # fmt: skip
    assert drawing is not None
    assert [block.label for block in drawing.blocks] == [f"{at + 1}. Conv" for at in range(len(drawing.blocks))]


@pytest.mark.parametrize("seed", range(5))
def test_every_edge_leads_down(seed: int) -> None:
    edges = graph(seed, 40)
    rank = ranked(40, edges)
    assert all(rank[source] < rank[target] for source, target in edges)
    assert min(rank) == 0


def test_a_source_stands_right_above_what_it_feeds() -> None:
    # 0 -> 1 -> 2 -> 4, and 3 feeds 4 alone
    assert ranked(5, [(0, 1), (1, 2), (2, 4), (3, 4)]) == [0, 1, 2, 2, 3]


def test_long_edges_pass_every_row_between() -> None:
    rows = rows_of(4, [(0, 1), (1, 2), (2, 3), (0, 3)])
    assert rows.chains[3] == (0, 4, 5, 3)
    assert [len(row) for row in rows.rows] == [1, 2, 2, 1]


def test_sweeps_take_a_crossing_away() -> None:
    # 0 and 1 above 2 and 3, crosswise
    rows = rows_of(4, [(0, 3), (1, 2)])
    left, right = rows.rows
    assert [left.index(0) - left.index(1), right.index(3) - right.index(2)] in ([-1, -1], [1, 1])


@pytest.mark.parametrize("seed", range(5))
def test_boxes_of_a_row_keep_their_order_and_do_not_touch(seed: int) -> None:
    rows = rows_of(40, graph(seed, 40))
    sizes = [Size(60 + 10 * (at % 5), 40) for at in range(40)]
    x, y = placed(rows, sizes)
    for row in rows.rows:
        boxes = [at for at in row if at < 40]
        for left, right in itertools.pairwise(boxes):
            assert x[right] - x[left] > (sizes[left].width + sizes[right].width) / 2
            assert y[left] == y[right]


def test_a_line_of_boxes_is_straight() -> None:
    x, _ = placed(rows_of(5, [(at, at + 1) for at in range(4)]), [Size(60 + 20 * at, 40) for at in range(5)])
    assert len({round(x[at]) for at in range(5)}) == 1


@pytest.mark.parametrize("count", [1, 11, MOST, MOST + 1, 200, 1500])
def test_blocks_are_all_nodes_once_in_order_and_of_readable_size(count: int) -> None:
    blocks = blocks_of([f"n{at}" for at in range(count)], [(at, at + 1) for at in range(count - 1)])
    assert [at for block in blocks for at in block] == list(range(count))
    assert max(map(len, blocks)) <= MOST


def test_blocks_end_where_few_values_pass() -> None:
    # every node of a group of 30 is read at the end of its group, and one value passes to the next
    edges = [(at, 30 * (at // 30) + 29) for at in range(120) if at % 30 != 29] + [(at, at + 1) for at in range(119)]
    assert [len(block) for block in blocks_of([f"n{at}" for at in range(120)], edges)] == [30, 30, 30, 30]


def test_blocks_end_where_the_names_change() -> None:
    names = [f"/encoder/layer.{at // 30}/part/n{at}" for at in range(120)]
    assert [block.start for block in blocks_of(names, [(at, at + 1) for at in range(119)])] == [0, 30, 60, 90]


def boxes_of(view: View) -> list[Box]:
    return [box for box in view.boxes if box.kind == "node"]


def test_a_small_graph_is_one_picture_with_its_inputs_and_outputs() -> None:
    drawing = draw([node("a", ("x", "w")), node("w", (), ("w",), constant=True), node("b", ("a_out",))], ["b_out"])
    assert drawing is not None and drawing.whole is not None and drawing.folded is None
    assert [box.at for box in boxes_of(drawing.whole)] == [0, 2]
    assert [box.label for box in drawing.whole.boxes if box.kind == "port"] == ["x", "b_out"]
    assert next((drawing.whole.boxes[wire.source].label, wire.target) for wire in drawing.whole.wires) == ("x", 1)


def test_constants_alone_are_no_graph() -> None:
    assert draw([node("w", (), constant=True)], []) is None
    assert draw([], []) is None


@pytest.mark.parametrize("count", [MOST_PLAIN + 1, MOST_WHOLE + 1, 3000])
def test_a_large_graph_is_folded_and_every_node_is_in_one_block(count: int) -> None:
    drawing = draw(chain(count), [f"n{count - 1}_out"])
    assert drawing is not None and drawing.folded is not None
    assert (drawing.whole is None) == (count > MOST_WHOLE)
    assert sorted(index for block in drawing.blocks for index in block.nodes) == list(range(count))
    for block in drawing.blocks:
        assert {box.at for box in boxes_of(block.view)} == set(block.nodes)
    assert len([box for box in drawing.folded.boxes if box.kind == "block"]) == len(drawing.blocks)


def test_wires_begin_and_end_at_their_boxes_and_lie_in_the_picture() -> None:
    drawing = draw(chain(60), ["n59_out"])
    assert drawing is not None and drawing.whole is not None
    view = drawing.whole
    for wire in view.wires:
        begin, end = view.boxes[wire.source], view.boxes[wire.target]
        assert wire.points[:2] == (begin.x, begin.y + begin.height // 2)
        assert wire.points[-2:] == (end.x, end.y - end.height // 2)
        assert all(0 <= x <= view.width for x in wire.points[::2])
        assert all(0 <= y <= view.height for y in wire.points[1::2])


def test_the_same_graph_gives_the_same_drawing() -> None:
    assert draw(chain(150), ["n149_out"]) == draw(chain(150), ["n149_out"])
