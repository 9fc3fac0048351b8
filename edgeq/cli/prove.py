"""`edgeq prove`: what really runs as integers in the runtime, node by node, and whether it pays."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeq.cli import options as o
from edgeq.cli.screen import Screen
from edgeq.cli.settings import parse_shapes, parse_size
from edgeq.errors import BadRecipe, FloorMissed

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from edgeq.prove import Placement

EXAMPLE = """    edgeq prove model.int8.onnx

    edgeq prove model.int8.onnx --float model.onnx --data calib.npz --threads 1

    edgeq prove model.int8.onnx --require-int8 Conv,Gemm,MatMul    (in CI: exit code 3 when one runs in float)"""
