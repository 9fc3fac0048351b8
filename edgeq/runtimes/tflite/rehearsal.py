"""The process in which a .tflite model is opened and run first: it may die of the model.

Run as `python -P -m edgeq.runtimes.tflite.rehearsal NAME MODEL.tflite INPUTS OUTPUTS`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from edgeq.errors import RuntimeRefused
from edgeq.runtimes.protocol import OpenedModel
from edgeq.runtimes.tflite.litert import KERNELS, LiteRt
from edgeq.runtimes.tflite.rehearse import FAILED
from edgeq.runtimes.tflite.tflm import TfLiteMicro


def main(name: str, path: str, inputs: str, outputs: str) -> None:
    """Open a model as a runtime does, "litert" or "tflm", and run it once on zeros.

    Where it opens and does not run, the process ends with FAILED.
    """
    model = Path(path).read_bytes()
    opened: list[OpenedModel] = []
    if name == "tflm":
        opened.append(TfLiteMicro(model, int(inputs), int(outputs)))
    else:
        opened += [LiteRt(model, kernels) for kernels in KERNELS]
    try:
        for one in opened:
            one.run([np.zeros(port.shape, port.dtype) for port in one.inputs])
    except RuntimeRefused as error:
        sys.stdout.write(error.what)
        sys.exit(FAILED)


if __name__ == "__main__":
    main(*sys.argv[1:])
