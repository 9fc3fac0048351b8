"""Find the smallest arena in which TFLite Micro allocates a model.

Sizes are tried in a separate process, because some arenas that are too small crash it. Run as
`python -m edgeq.runtimes.tflite.arena MODEL.tflite [SIZE ...]`: these sizes are known to be too
small. It prints a line `try SIZE` before each attempt, and the result at the end.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Set
from pathlib import Path

from edgeq.errors import RuntimeRefused
from edgeq.io.temporaries import ScratchFolder
from edgeq.runtimes.tflite.tflm import LARGEST_ARENA, TfLiteMicro

#: step of the search, in bytes
ARENA_STEP = 1024


def smallest_arena(model: bytes) -> int:
    """The smallest arena, in bytes, in which this 64-bit host allocates the model.

    It is a multiple of ARENA_STEP; a 32-bit target needs less. Raises MissingExtra without the
    package, RuntimeRefused when no arena is large enough.
    """
    TfLiteMicro(model, arena=LARGEST_ARENA)  # raises with the reason when no arena is large enough
    small: set[int] = set()
    with ScratchFolder() as folder:
        path = folder / "model.tflite"
        path.write_bytes(model)
        while True:
            command = [sys.executable, "-P", "-m", "edgeq.runtimes.tflite.arena", str(path), *map(str, sorted(small))]
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
            words = done.stdout.decode().split()
            if done.returncode == 0:
                return int(words[-1])
            if not words or int(words[-1]) in small:
                raise RuntimeRefused("The search for the smallest arena failed.", "tflm", "Leave --emit c out.")
            small.add(int(words[-1]))


def _search(model: bytes, small: Set[int]) -> int:
    """Double the size until it is enough, then halve the gap; returns bytes.

    small: sizes that are known to be too small, and therefore not tried.
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
    sys.stdout.write(f"{_search(Path(sys.argv[1]).read_bytes(), {int(word) for word in sys.argv[2:]})}\n")
