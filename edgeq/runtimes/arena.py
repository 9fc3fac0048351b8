"""The smallest arena that TFLite Micro allocates a model in, tried in a process of its own: in some
that are too small it crashes.

Run as `python -m edgeq.runtimes.arena MODEL.tflite [SIZE ...]`; sizes named are known to be too
small. A line `try SIZE` before each.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Set
from pathlib import Path

from edgeq.errors import RuntimeRefused
from edgeq.runtimes.tflm import LARGEST_ARENA, TfLiteMicro

#: the search goes in steps of so many bytes
ARENA_STEP = 1024


def smallest_arena(model: bytes) -> int:
    """The smallest arena, in steps of ARENA_STEP bytes, that this 64-bit host allocates the model
    in; a 32-bit chip needs less.

    Raises MissingExtra without the package, RuntimeRefused when no arena is large enough.
    """
    TfLiteMicro(model, arena=LARGEST_ARENA)  # says why, where none is enough
    small: set[int] = set()
    with tempfile.TemporaryDirectory(prefix="edgeq-") as folder:
        path = Path(folder) / "model.tflite"
        path.write_bytes(model)
        while True:
            command = [sys.executable, "-P", "-m", "edgeq.runtimes.arena", str(path), *map(str, sorted(small))]
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
            words = done.stdout.decode().split()
            if done.returncode == 0:
                return int(words[-1])
            if not words or int(words[-1]) in small:
                raise RuntimeRefused("The search for the smallest arena failed.", "tflm", "Leave --emit c out.")
            small.add(int(words[-1]))


def search(model: bytes, small: Set[int]) -> int:
    """Double the size until one is enough, then halve the gap. small: sizes that are not to be
    tried.
    """
    enough = ARENA_STEP
    while not _allocates(model, enough, small):
        enough *= 2
    low, high = enough // 2, enough
    while high - low > ARENA_STEP:
        middle = (low + high) // 2 // ARENA_STEP * ARENA_STEP
        low, high = (low, middle) if _allocates(model, middle, small) else (middle, high)
    return high


def _allocates(model: bytes, arena: int, small: Set[int]) -> bool:
    if arena in small:
        return False
    sys.stdout.write(f"try {arena}\n")
    sys.stdout.flush()
    try:
        TfLiteMicro(model, arena=arena)
    except RuntimeRefused:
        return False
    return True


if __name__ == "__main__":
    sys.stdout.write(f"{search(Path(sys.argv[1]).read_bytes(), {int(word) for word in sys.argv[2:]})}\n")
