"""What kernels cost: measured figures of one type of machine a column, for placement by time."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from edgeq.io.strict_toml import Strict

#: the numbers of a kernel's work that its time is a sum of, in the order of FIGURES
FIGURES = ("call", "place", "read", "mac", "write", "rest", "weight")


class Figures(Strict):
    """The time of a kernel: one figure for each thing that it does, in nanoseconds.

    The time is the sum of figure times count (edgeq/planning/cost/work.py has the counts).
    """

    call: float = Field(0.0, ge=0, description="ns for being run at all")
    place: float = Field(0.0, ge=0, description="ns for every place of the output: a pixel of all channels, a row of a product")
    read: float = Field(0.0, ge=0, description="ns for every number that is gathered for a place")
    mac: float = Field(0.0, ge=0, description="ns for every multiply-accumulate of whole groups of lanes")
    write: float = Field(0.0, ge=0, description="ns for every number that is made")
    rest: float = Field(0.0, ge=0, description="ns for every number that is made beyond the last whole group of lanes")
    weight: float = Field(0.0, ge=0, description="ns for every number of a weight, whatever the number of places")

    @property
    def numbers(self) -> tuple[float, ...]:
        """The figures in the order of FIGURES."""
        return (self.call, self.place, self.read, self.mac, self.write, self.rest, self.weight)


class KernelCost(Strict):
    """The two kernels of one kind of work."""

    integer: Figures
    float: Figures
    source: str | None = Field(None, description="where the figures come from, where that is not the source of the whole column")


class Lanes(Strict):
    """How many neighbouring channels the kernels of a machine compute at once."""

    integer: int = Field(16, ge=1)
    float: int = Field(8, ge=1)


class Column(Strict):
    """One type of machine."""

    machine: str = Field(description="the processor on which the figures were measured, for people")
    threads: int = Field(1, ge=1, description="threads of one operator")
    lanes: Lanes = Lanes()
    #: kind of work (edgeq/planning/cost/work.py) -> its two kernels
    kinds: dict[str, KernelCost]
    blocks: Figures | None = Field(
        None, description="MatMulNBits at accuracy level 4, with weights of four bits in blocks; left out: nothing is known of it"
    )
    least_gain: float = Field(
        0.0, ge=0, lt=1, description="share of its time in floats that a part must gain in integers: figures of a kernel miss by as much"
    )
    uncertain: float = Field(
        0.02, ge=0, lt=1, description="share of a time within which the figures are not believed: a smaller loss does not count as one"
    )
    source: str


class Slower(Strict):
    """That integers take longer than floats on a machine, with the conversions around them."""

    #: name of the machine's column
    column: str
    #: microseconds of the node's integer kernel
    integer_us: float
    #: microseconds of its float kernel
    float_us: float

    @property
    def told(self) -> str:
        """Both times of the node."""
        return f"{self.integer_us:g} us against {self.float_us:g} us"


class Tuned(Strict):
    """That a target file places for one machine alone, as `edgeq targets tune` writes it."""

    machine: str = Field(description="the processor, as the operating system names it")
    day: str = Field(description="when it was measured: YYYY-MM-DD")
    runtime: str = Field(description="version of the runtime")


class Costs(Strict):
    """The machines that placement weighs: the worst of them decides."""

    tuned: Tuned | None = None
    columns: dict[str, Column] = Field(min_length=1)


#: speed: integers only where no column of the target's costs says that they are slower. integers:
#: as much work in integers as possible
Prefer = Literal["speed", "integers"]


class PlacementWish(Strict):
    """How to choose between kernels where a node could run in either."""

    prefer: Prefer = Field(
        "speed",
        description="speed: integers only where they are not slower on any machine whose costs the target states; integers: wherever "
        "possible",
    )
    serve_batch: int = Field(1, ge=1, description="samples of one call in the application, where the model leaves their number open")


#: the wish of whoever asks what could run in integers, not what pays
INTEGERS = PlacementWish(prefer="integers")
