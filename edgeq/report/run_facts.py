"""What a report says of a run itself: its data, the sizes of its files, the time it took."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DataInfo:
    """The data that the model was calibrated with."""

    #: path, or name of a shipped set
    name: str
    #: sha256 of what was read, in hexadecimal
    hash: str
    #: how many samples were used, those that were held out included
    samples: int


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
