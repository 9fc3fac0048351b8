"""The plan: the grid of every value, where every node runs, and why. Serializes to JSON."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from edgeq.errors import BadPlan
from edgeq.io.limits import limited_text, most_json_bytes, parse_json
from edgeq.io.run_files import note_read
from edgeq.io.strict_toml import Strict
from edgeq.schema.grids import GridPlan
from edgeq.schema.hold_out import HoldOut
from edgeq.schema.pixels import PixelMap
from edgeq.schema.plan_parts.because import FROM_DATA as FROM_DATA
from edgeq.schema.plan_parts.because import Because as Because
from edgeq.schema.plan_parts.because import PlacedAs as PlacedAs
from edgeq.schema.plan_parts.codes import room_for
from edgeq.schema.plan_parts.node_plan import NodePlan as NodePlan
from edgeq.schema.plan_parts.node_plan import SearchPlan as SearchPlan
from edgeq.schema.plan_parts.plan_1 import upgraded
from edgeq.schema.plan_parts.shared import SharedGrid
from edgeq.schema.weights import WeightPlan


class Plan(Strict):
    """Everything needed to prepare and rewrite the model again. Hashes are sha256 in hex."""

    schema_version: Literal[2] = 2
    #: hash of the float model's file
    model: str
    #: hash of the data
    data: str
    #: which samples of the data nothing in the plan was fitted to
    held_out: HoldOut = "none"
    #: name of the target
    target: str
    #: hash of the recipe
    recipe: str
    #: hash of everything that decided which values were observed (Task.settings)
    settings: str
    opset: int | None
    #: shapes of inputs that were frozen
    shapes: dict[str, tuple[int, ...]] = Field(default_factory=dict)
    #: by value: exponent k per channel, which is multiplied by 2^(k/8) (edgeq/schema/scaling.py)
    equalization: dict[str, tuple[int, ...]] = Field(default_factory=dict)
    nodes: dict[str, NodePlan]
    #: by value name
    grids: dict[str, GridPlan]
    #: by value: the grid on which nodes of the other width read it
    borders: dict[str, GridPlan] = Field(default_factory=dict)
    #: by weight_key
    weights: dict[str, WeightPlan]
    #: by node: its float bias, corrected for the mean error that quantization causes up to its
    #: output
    biases: dict[str, tuple[float, ...]] = Field(default_factory=dict)
    #: by weight_key: weights of float nodes that are stored as integers
    stored: dict[str, WeightPlan] = Field(default_factory=dict)
    search: SearchPlan | None = None
    #: by value: what each channel is divided by; the weights of its readers are multiplied by it
    factors: dict[str, tuple[float, ...]] = Field(default_factory=dict)
    #: whether outputs that end in a Concat were split into its parts
    split_outputs: bool = False
    #: by node: parts of very different range that it joins on one grid
    shared: dict[str, SharedGrid] = Field(default_factory=dict)
    #: by value: its only number, if it was the same in all of the data and so told no range
    constants: dict[str, float] = Field(default_factory=dict)
    #: by input: the map of an input that takes raw pixels
    pixels: dict[str, PixelMap] = Field(default_factory=dict)
    #: names of float nodes that the runtime computes with one kernel, as long as they are left
    #: alone
    together: tuple[tuple[str, ...], ...] = ()
    #: the file of the int8 model that it was written with (edgeq/io/marks.py); no part of the plan
    mark: str = ""

    def to_json(self) -> str:
        """Canonical JSON: the same plan gives the same bytes."""
        return self.model_dump_json(indent=1, exclude=None if self.mark else {"mark"}) + "\n"

    @property
    def hash(self) -> str:
        """sha256 of the canonical JSON, without the mark: the model's file holds this hash."""
        return hashlib.sha256(self.with_mark("").to_json().encode()).hexdigest()

    def with_mark(self, mark: str) -> Plan:
        """A copy that says which file it was written with."""
        return self if mark == self.mark else self._changed({"mark": mark})

    def grids_read(self, node: str) -> dict[str, GridPlan]:
        """The grids of all values as a node reads them."""
        place = self.nodes.get(node)
        if not self.borders or place is None:
            return self.grids
        other = {name: grid for name, grid in self.borders.items() if grid.bits == place.bits}
        return {**self.grids, **other} if other else self.grids

    def with_nodes(self, nodes: Mapping[str, NodePlan]) -> Plan:
        """A copy with other places for its nodes."""
        return self._changed({"nodes": dict(nodes)})

    def with_grids(self, grids: Mapping[str, GridPlan]) -> Plan:
        """A copy with other grids for its values."""
        return self._changed({"grids": dict(grids)})

    def with_borders(self, borders: Mapping[str, GridPlan]) -> Plan:
        """A copy with other grids for values where nodes of the other width read them."""
        return self._changed({"borders": dict(borders)})

    def with_weights(self, weights: Mapping[str, WeightPlan]) -> Plan:
        """A copy with other grids and codes for its weights."""
        return self._changed({"weights": dict(weights)})

    def with_stored(self, stored: Mapping[str, WeightPlan]) -> Plan:
        """A copy with other integer storage for the weights of its float nodes."""
        return self._changed({"stored": dict(stored)})

    def with_biases(self, biases: Mapping[str, tuple[float, ...]]) -> Plan:
        """A copy with other corrected biases."""
        return self._changed({"biases": dict(biases)})

    def with_factors(self, factors: Mapping[str, tuple[float, ...]]) -> Plan:
        """A copy with other scales moved from values into weights."""
        return self._changed({"factors": dict(factors)})

    def with_equalization(self, exponents: Mapping[str, tuple[int, ...]]) -> Plan:
        """A copy with other exponents for the channels of its values."""
        return self._changed({"equalization": dict(exponents)})

    def with_inputs(self, shapes: Mapping[str, tuple[int, ...]], pixels: Mapping[str, PixelMap]) -> Plan:
        """A copy for inputs of these frozen shapes, some of which take raw pixels."""
        return self._changed({"shapes": dict(shapes), "pixels": dict(pixels)})

    def with_search(self, search: SearchPlan) -> Plan:
        """A copy with the result of a search."""
        return self._changed({"search": search})


def parse_plan(text: str, where: str) -> Plan:
    """Parse a plan from JSON text of schema 2 or 1. Raises BadPlan."""
    fix = "Make the plan again with `edgeq quantize`."
    try:
        document = parse_json(text)
    except ValueError as problem:
        raise BadPlan(f"The plan is damaged: it is not JSON of edgeq ({problem}).", where, fix) from None
    if isinstance(document, dict) and document.get("schema_version", 1) == 1:
        document = upgraded(document)
    try:
        return Plan.model_validate(document, context=room_for(text))
    except ValidationError as problem:
        first = problem.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "(whole file)"
        raise BadPlan(f"The plan is damaged: {first['msg']} at `{key}`.", where, fix) from None


def load_plan(path: Path) -> Plan:
    """Read OUT.plan.json. Raises BadPlan."""
    note_read(path)
    try:
        text = limited_text(path, most_json_bytes())
    except (OSError, ValueError) as problem:
        raise BadPlan(f"The plan cannot be read: {problem}", str(path), "Check the path.") from None
    return parse_plan(text, str(path))
