"""A drawing of a graph: boxes and lines with their places, ready to be drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: node: a node of the model. block: several nodes, folded. port: what comes from or goes to outside
Kind = Literal["node", "block", "port"]


@dataclass(frozen=True)
class Box:
    """A box. Places are of its middle, in pixels at the natural size."""

    kind: Kind
    #: index of the node or of the block; -1: a port
    at: int
    label: str
    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Wire:
    """A line from one box to another."""

    #: indices of the boxes
    source: int
    target: int
    #: places that it passes, x and y in turn, its ends included
    points: tuple[int, ...]


@dataclass(frozen=True)
class View:
    """One picture."""

    width: int
    height: int
    boxes: tuple[Box, ...]
    wires: tuple[Wire, ...]


@dataclass(frozen=True)
class Block:
    """Nodes that follow each other, drawn as one box or as a picture of their own."""

    label: str
    #: indices of its nodes
    nodes: tuple[int, ...]
    #: the picture of its nodes
    view: View


@dataclass(frozen=True)
class Drawing:
    """The pictures of a graph."""

    #: every node in one picture; None: there are too many
    whole: View | None
    #: the blocks as boxes; None: the whole is small enough to be read
    folded: View | None
    blocks: tuple[Block, ...]
