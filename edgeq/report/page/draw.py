"""Draw a graph: every node in one picture where it can be read, and folded into blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from edgeq.report.detail.detail import NodeDetail
from edgeq.report.page.blocks import blocks_of, label_of
from edgeq.report.page.drawing import Block, Box, Drawing, Kind, View, Wire
from edgeq.report.page.places import Size, placed
from edgeq.report.page.ranks import rows_of

#: a graph of at most this many nodes is one picture and is not folded; one of more than MOST_WHOLE
#: is only folded
MOST_PLAIN, MOST_WHOLE = 90, 600
#: letters of a name that are shown
LETTERS = 22
_MARGIN, _LETTER = 24, 7


@dataclass(frozen=True)
class _Card:
    """A box before it has a place."""

    kind: Kind
    at: int
    label: str
    size: Size


def draw(nodes: Sequence[NodeDetail], outputs: Sequence[str]) -> Drawing | None:
    """The drawing of a model; None where no node computes anything from its inputs.

    nodes: in an order in which values are made before they are read. outputs: names of the model's
    outputs. The same graph gives the same drawing.
    """
    shown = [index for index, node in enumerate(nodes) if not node.constant]
    if not shown:
        return None
    fixed = {name for node in nodes if node.constant for name in node.makes}
    nodes = [replace(node, reads=tuple(name for name in node.reads if name not in fixed)) for node in nodes]
    whole = _view(nodes, shown, frozenset(outputs)) if len(shown) <= MOST_WHOLE else None
    if len(shown) <= MOST_PLAIN:
        return Drawing(whole, None, ())
    blocks = _blocks(nodes, shown, frozenset(outputs))
    return Drawing(whole, _folded(nodes, blocks, frozenset(outputs)), blocks)


def short(name: str) -> str:
    """The end of a name, which tells nodes apart, in at most LETTERS letters."""
    whole = name.strip("/") or name
    return whole if len(whole) <= LETTERS else f"…{whole[1 - LETTERS :]}"


def _blocks(nodes: Sequence[NodeDetail], shown: Sequence[int], outputs: frozenset[str]) -> tuple[Block, ...]:
    place = {index: at for at, index in enumerate(shown)}
    makers = {name: at for at, index in enumerate(shown) for name in nodes[index].makes}
    edges = [(makers[name], place[index]) for index in shown for name in nodes[index].reads if makers.get(name, len(shown)) < place[index]]
    found = []
    for block in blocks_of([nodes[index].name for index in shown], edges):
        inside = [shown[at] for at in block]
        seen = [nodes[index].op_type for index in inside if nodes[index].runs_as != "vanished"]
        label = label_of([nodes[index].name for index in inside], seen or [nodes[index].op_type for index in inside])
        found.append(Block(label, tuple(inside), _view(nodes, inside, outputs)))
    labels = [block.label for block in found]
    numbered = (f"{labels[: at + 1].count(label)}. {label}" if labels.count(label) > 1 else label for at, label in enumerate(labels))
    return tuple(replace(block, label=label) for block, label in zip(found, numbered, strict=True))


def _folded(nodes: Sequence[NodeDetail], blocks: Sequence[Block], outputs: frozenset[str]) -> View:
    cards = [_Card("block", at, block.label, _size(block.label, 56, 168)) for at, block in enumerate(blocks)]
    reads = [[name for index in block.nodes for name in nodes[index].reads] for block in blocks]
    makes = [[name for index in block.nodes for name in nodes[index].makes] for block in blocks]
    return _laid_out(cards, reads, makes, outputs)


def _view(nodes: Sequence[NodeDetail], inside: Sequence[int], outputs: frozenset[str]) -> View:
    cards = []
    for index in inside:
        node = nodes[index]
        small = node.runs_as == "vanished"
        text = node.op_type if small else max(node.op_type, short(node.name), key=len)
        cards.append(_Card("node", index, node.op_type, _size(text, 24 if small else 42, 72)))
    made = {name for index in inside for name in nodes[index].makes}
    others = set(range(len(nodes))) - set(inside)
    elsewhere = {name for index in others for name in nodes[index].reads if name in made}
    return _laid_out(cards, [nodes[index].reads for index in inside], [nodes[index].makes for index in inside], outputs | elsewhere)


def _laid_out(cards: list[_Card], reads: Sequence[Sequence[str]], makes: Sequence[Sequence[str]], leaving: frozenset[str]) -> View:
    """Boxes with what comes from outside above and what leaves below, and the lines between."""
    makers = {name: at for at, names in enumerate(makes) for name in names}
    entering = list(dict.fromkeys(name for names in reads for name in names if name not in makers))
    left = [name for name in makers if name in leaving]
    first = len(entering)
    ports = [_Card("port", -1, name, _size(short(name), 26, 60)) for name in entering]
    ends = [_Card("port", -1, name, _size(short(name), 26, 60)) for name in left]
    every = [*ports, *cards, *ends]
    source = {name: at for at, name in enumerate(entering)} | {name: first + at for name, at in makers.items()}
    pairs = [(source[name], first + at) for at, names in enumerate(reads) for name in names]
    pairs += [(source[name], first + len(cards) + at) for at, name in enumerate(left)]
    edges = [pair for pair in dict.fromkeys(pairs) if pair[0] < pair[1]]
    rows = rows_of(len(every), edges)
    x, y = placed(rows, [card.size for card in every])
    west = min(x[at] - card.size.width / 2 for at, card in enumerate(every))
    east = max(x[at] + card.size.width / 2 for at, card in enumerate(every))
    west, east = min([west, *x.values()]), max([east, *x.values()])
    boxes = tuple(
        Box(card.kind, card.at, card.label, round(x[at] - west) + _MARGIN, round(y[at]) + _MARGIN, card.size.width, card.size.height)
        for at, card in enumerate(every)
    )
    wires = []
    for (begin, end), chain in zip(edges, rows.chains, strict=True):
        places = [(round(x[node] - west) + _MARGIN, round(y[node]) + _MARGIN) for node in chain]
        wires.append(Wire(begin, end, _route(places, boxes[begin], boxes[end])))
    height = max(box.y + box.height // 2 for box in boxes)
    return View(round(east - west) + 2 * _MARGIN, height + _MARGIN, boxes, tuple(wires))


def _route(places: list[tuple[int, int]], begin: Box, end: Box) -> tuple[int, ...]:
    """The points of a line from the lower edge of a box to the upper edge of another.

    Of several points straight below each other, the first and the last are enough.
    """
    places[0] = (begin.x, begin.y + begin.height // 2)
    places[-1] = (end.x, end.y - end.height // 2)
    kept = [
        point for at, point in enumerate(places) if at in (0, len(places) - 1) or not places[at - 1][0] == point[0] == places[at + 1][0]
    ]
    return tuple(number for point in kept for number in point)


def _size(text: str, height: int, least: int) -> Size:
    width = max(least, _LETTER * min(len(text), LETTERS) + 26)
    return Size(width + width % 2, height)
