"""The statistics of a whole model: merging of shards, and a compact, byte-deterministic file.

The file is an .npz: header (JSON: format, hashes, which samples were held out, names of the tensors
in sorted order), index int64 [T, 5] (for each tensor: number of samples, nonfinite, exponent,
first, number of bins), and the arrays of all tensors end to end: samples, sample_low, sample_high,
counts. Reading trusts nothing: no pickle, sizes are bounded before memory is allocated, and every
tensor must be one that an Observer could have made.
"""

from __future__ import annotations

import hashlib
import io
import json
import lzma
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import numpy as np

from edgeq.calibration.histogram import BITS
from edgeq.calibration.statistics_members import arrays_in
from edgeq.calibration.tensor_stats import TensorStats, flaw, pool
from edgeq.errors import BadData, BadStatistics
from edgeq.io.limits import check_regular
from edgeq.io.run_files import note_read
from edgeq.io.writing.card import Card, Facts
from edgeq.numerics.arrays import I64, AnyArray
from edgeq.schema.hold_out import HoldOut

_FORMAT = 1
_DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, ValueError, KeyError, TypeError, RuntimeError, MemoryError)


@dataclass(frozen=True, repr=False)
class Statistics(Card):
    """Statistics of the values of one prepared model."""

    #: sha256 (hex) of the model
    model: str
    #: sha256 (hex) of the data
    data: str
    #: sha256 (hex) of the settings that decide which values are observed
    settings: str
    #: value name -> its statistics
    tensors: Mapping[str, TensorStats]
    #: which samples of the data were left out; files that do not say saw all
    held_out: HoldOut = "none"
    #: whether the data was made up
    made_up: bool = False

    def facts(self) -> Facts:
        """What a line and a table show."""
        rows = ("samples", str(len(self.samples))), ("values", str(len(self.tensors))), ("held out", self.held_out)
        return Facts("of made-up data" if self.made_up else "", rows)

    @property
    def samples(self) -> I64:
        """Global indices of the samples that any tensor has seen, ascending."""
        return np.unique(np.concatenate([np.zeros(0, np.int64), *(stats.samples for stats in self.tensors.values())]))

    @property
    def hash(self) -> str:
        """sha256 (hex) of the content; equal statistics have equal hashes."""
        digest = hashlib.sha256()
        for name, array in _arrays(self).items():
            digest.update(f"{name} {array.dtype.str} {array.shape};".encode())
            digest.update(array.tobytes())
        return digest.hexdigest()

    def to_bytes(self) -> bytes:
        """The content of the file, the same bytes for equal statistics."""
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, array in _arrays(self).items():
                member = io.BytesIO()
                np.lib.format.write_array(member, array, version=(1, 0), allow_pickle=False)
                info = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))  # no clock in the file
                info.create_system = 3
                archive.writestr(info, member.getvalue(), zipfile.ZIP_DEFLATED)
        return file.getvalue()

    def save(self, path: str | Path, *, force: bool = False, inputs: Sequence[Path] = ()) -> None:
        """Write the .npz file whole; BadOutput if it exists and not `force`, or is an input."""
        from edgeq.io.save import atomic_write_bytes  # imports onnx_ir, which reading and merging do not need

        atomic_write_bytes(path, self.to_bytes(), force=force, inputs=inputs)


def load_statistics(path: str | Path) -> Statistics:
    """Read what `Statistics.save` wrote.

    Raises BadStatistics if the file is missing, damaged or not of this format.
    """
    note_read(Path(path))
    try:
        check_regular(Path(path))
        with zipfile.ZipFile(path) as archive:
            arrays = arrays_in(archive)
        return _assembled(arrays)
    except FileNotFoundError:
        raise BadStatistics("There is no such statistics file.", str(path), "Make one with edgeq calibrate -o FILE.npz.") from None
    except (*_DAMAGE, BadData) as error:
        fix = "Make the file again with edgeq calibrate -o FILE.npz."
        raise BadStatistics(
            f"This is not a statistics file, or it is damaged: {error.what if isinstance(error, BadData) else error}.", str(path), fix
        ) from error


def merge_statistics(parts: Sequence[Statistics]) -> Statistics:
    """The statistics of all shards together, the same bits in any order.

    A tensor that a shard has not seen is taken from the others. Raises BadStatistics for no parts,
    for parts of different models, data sets or settings, and for samples that two parts share.
    """
    if not parts:
        raise BadStatistics("There is nothing to merge.", "statistics", "Name at least one statistics file.")
    for kind in ("model", "data", "settings"):
        if len({getattr(part, kind) for part in parts}) > 1:
            raise BadStatistics(f"The statistics differ in their {kind}.", kind, "Merge only shards of one calibration.")
    if len({part.held_out for part in parts}) > 1:
        what = "Some of the statistics left every fifth sample out, others saw all."
        raise BadStatistics(what, "held_out", "Calibrate all shards with --no-hold-out, or all without it.")
    seen, times = np.unique(np.concatenate([part.samples for part in parts]), return_counts=True)
    if (times > 1).any():
        where = f"sample {int(seen[times > 1][0])}"
        raise BadStatistics("Some samples are in more than one of the statistics.", where, "Merge shards with disjoint sample ranges.")
    names = sorted({name for part in parts for name in part.tensors})
    tensors = {name: pool([part.tensors[name] for part in parts if name in part.tensors]) for name in names}
    return replace(parts[0], tensors=tensors)


def _arrays(statistics: Statistics) -> dict[str, AnyArray]:
    names = sorted(statistics.tensors)
    tensors = [statistics.tensors[name] for name in names]
    header = {"format": _FORMAT, "bits": BITS, "model": statistics.model, "data": statistics.data, "settings": statistics.settings}
    header |= {"made_up": True} if statistics.made_up else {}
    text = json.dumps({**header, "held_out": statistics.held_out, "tensors": names}, ensure_ascii=True, separators=(",", ":"))
    index = [(t.samples.size, t.nonfinite, t.exponent, t.first, t.counts.size) for t in tensors]
    counts = np.concatenate([np.zeros(0, np.int64), *(t.counts for t in tensors)])
    smallest = np.min_scalar_type(int(counts.max(initial=0)))
    return {
        "header": np.frombuffer(text.encode(), np.uint8),
        "index": np.array(index, np.int64).reshape(len(tensors), 5),
        "samples": np.concatenate([np.zeros(0, np.int64), *(t.samples for t in tensors)]),
        "sample_low": np.concatenate([np.zeros(0, np.float32), *(t.sample_low for t in tensors)]),
        "sample_high": np.concatenate([np.zeros(0, np.float32), *(t.sample_high for t in tensors)]),
        "counts": counts.astype(smallest),
    }


def _assembled(arrays: Mapping[str, AnyArray]) -> Statistics:
    header = json.loads(arrays["header"].tobytes())
    if (header["format"], header["bits"]) != (_FORMAT, BITS):
        raise ValueError(f"format {header['format']!r} of another edgeq")
    names, hashes = header["tensors"], (header["model"], header["data"], header["settings"])
    index, held_out, made_up = arrays["index"].tolist(), header.get("held_out", "none"), header.get("made_up", False)
    if not isinstance(made_up, bool):
        raise ValueError("the header does not say whether the data was made up")
    if held_out not in get_args(HoldOut):
        raise ValueError(f"unknown samples held out: {held_out!r}")
    if not all(isinstance(text, str) for text in (*names, *hashes)) or names != sorted(set(names)) or len(names) != len(index):
        raise ValueError("the header does not fit the index")
    if any(row[0] < 0 or row[4] < 0 for row in index):
        raise ValueError("negative length in the index")
    samples, low, high = (arrays[name] for name in ("samples", "sample_low", "sample_high"))
    counts = arrays["counts"].astype(np.int64, copy=False)
    tensors, at, bin_at = {}, 0, 0
    for name, (seen, nonfinite, exponent, first, bins) in zip(names, index, strict=True):
        own = slice(at, at + seen)
        stats = TensorStats(nonfinite, samples[own], low[own], high[own], exponent, first, counts[bin_at : bin_at + bins])
        problem = flaw(stats)
        if problem:
            raise ValueError(f"{problem} of tensor {name!r}")
        tensors[name], at, bin_at = stats, at + seen, bin_at + bins
    return Statistics(*hashes, tensors, held_out, made_up)
