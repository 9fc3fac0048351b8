"""What a report says of a run itself: its data, the sizes of its files, the time it took."""

from __future__ import annotations

from dataclasses import dataclass

from edgeq.schema.cost import PlacementWish, Prefer, Tuned
from edgeq.schema.target import Target


@dataclass(frozen=True)
class DataInfo:
    """The data that the model was calibrated with."""

    #: path, or name of a shipped set
    name: str
    #: sha256 of what was read, in hexadecimal
    hash: str
    #: how many samples were used, those that were held out included
    samples: int
    #: whether the samples were made up: there was no real data
    made_up: bool = False

    @property
    def told(self) -> str:
        """What follows the name of the data."""
        return " (no real data)" if self.made_up else ""


@dataclass(frozen=True)
class Sizes:
    """Bytes of the files on disk, external data included: of the form in which int8 is written."""

    float_bytes: int
    int8_bytes: int


@dataclass(frozen=True)
class Times:
    """Wall time of each stage in seconds; None: the stage did not run."""

    prepare: float | None = None
    calibrate: float | None = None
    plan: float | None = None
    rewrite: float | None = None
    prove: float | None = None
    search: float | None = None
    finetune: float | None = None
    judge: float | None = None


@dataclass(frozen=True)
class Weighed:
    """What placement weighed."""

    prefer: Prefer
    #: samples of one call, where the model leaves their number open
    serve_batch: int
    #: the machines whose costs were weighed; empty: none
    columns: tuple[str, ...]
    #: the machine that the target was tuned on; None: it was not
    tuned: Tuned | None

    @property
    def told(self) -> str:
        """Where the costs come from, if from one machine."""
        return "" if self.tuned is None else f"tuned on {self.tuned.machine}, {self.tuned.day}"


def weighed(target: Target, wish: PlacementWish) -> Weighed:
    """What the placement of a run weighs."""
    costs = None if wish.prefer == "integers" or target.integer_only else target.cost
    return Weighed(
        wish.prefer, wish.serve_batch, () if costs is None else tuple(sorted(costs.columns)), None if costs is None else costs.tuned
    )
