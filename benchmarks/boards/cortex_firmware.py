"""A firmware for an emulated Cortex-M around generated C: what feeds it, how it is compiled, how it
is run. Used by cortex_m.py.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.integer]
#: cpu -> QEMU's machine, flags of the compiler
CHIPS = {
    "cortex-m3": ("mps2-an385", ("-mfloat-abi=soft",)),
    "cortex-m4": ("mps2-an386", ("-mfpu=fpv4-sp-d16", "-mfloat-abi=hard")),
    "cortex-m7": ("mps2-an500", ("-mfpu=fpv5-d16", "-mfloat-abi=hard")),
}
FIRMWARE = Path(__file__).parent / "firmware"
#: QEMU's -icount 0 lets one instruction take 1 ns; the board's timer counts at 25 MHz
INSTRUCTIONS_A_TICK = 40
TIMEOUT_S = 600


def harness(inputs: list[Codes], outputs: list[Codes]) -> str:
    """main.c: every sample through model(), its instructions and output codes printed."""
    count = len(inputs[0])
    lines = ["#include <stdint.h>", "#include <stdio.h>", "", "void model();  // arguments: inputs, then outputs", ""]
    for place, array in enumerate(inputs):
        body = ",\n".join("{" + ",".join(map(str, row.reshape(-1).tolist())) + "}" for row in array)
        lines.append(f"static const {array.dtype}_t in{place}[{count}][{array[0].size}] = {{\n{body}}};")
    lines += [f"static {array.dtype}_t out{place}[{array[0].size}];" for place, array in enumerate(outputs)]
    arguments = ", ".join([*(f"in{place}[i]" for place in range(len(inputs))), *(f"out{place}" for place in range(len(outputs)))])
    lines += [
        "// CMSDK APB timer 0: reload, value, control; it counts down",
        "static volatile uint32_t *const timer = (volatile uint32_t *)0x40000000;",
        "int main(void)\n{",
        "    timer[2] = timer[1] = 0xFFFFFFFF;\n    timer[0] = 1;",
        f"    for (int i = 0; i < {count}; i++) {{",
        f"        uint32_t begin = timer[1];\n        model({arguments});\n        uint32_t ticks = begin - timer[1];",
        '        printf("ticks %lu\\n", (unsigned long)ticks);',
    ]
    for place, array in enumerate(outputs):
        lines.append(f'        for (int j = 0; j < {array[0].size}; j++) printf("%d ", out{place}[j]);\n        printf("\\n");')
    return "\n".join([*lines, "    }\n    return 0;\n}", ""])


def build(folder: Path, cpu: str) -> tuple[Path, int, int]:
    """The firmware of model.c and main.c; its bytes of code and constants, and of data."""
    elf = folder / f"{cpu}.elf"
    flags = [
        f"-mcpu={cpu}",
        "-mthumb",
        *CHIPS[cpu][1],
        "-O2",
        "-w",
        "--specs=rdimon.specs",
        "-nostartfiles",
        "-T",
        str(FIRMWARE / "mps2.ld"),
    ]
    sources = [str(FIRMWARE / "start.c"), str(folder / "main.c"), str(folder / "model.c")]
    subprocess.run(["arm-none-eabi-gcc", *flags, *sources, "-o", str(elf), "-lm", "-lrdimon"], check=True)
    told = subprocess.run(["arm-none-eabi-size", str(elf)], check=True, capture_output=True, text=True).stdout
    text, data, bss = (int(word) for word in told.splitlines()[1].split()[:3])
    return elf, text + data, data + bss


@dataclass(frozen=True, eq=False)
class Printed:
    """instructions: of each run. outputs: codes [samples, elements], in order."""

    instructions: list[int]
    outputs: list[Codes]


def emulate(elf: Path, cpu: str, outputs: int) -> Printed:
    """Run the firmware. Raises SystemExit when it does not end well."""
    machine = ["-M", CHIPS[cpu][0], "-nographic", "-monitor", "none", "-serial", "none", "-icount", "shift=0"]
    semihosting = ["-semihosting-config", "enable=on,target=native", "-kernel", str(elf)]
    command = ["qemu-system-arm", *machine, *semihosting]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{cpu}: the firmware ended with {done.returncode}: {done.stdout[-200:]} {done.stderr[-200:]}")
    ticks = [int(word) for word in re.findall(r"ticks (\d+)", done.stdout)]
    rows = [np.array(line.split(), np.int64) for line in done.stdout.splitlines() if not line.startswith("ticks")]
    return Printed([INSTRUCTIONS_A_TICK * count for count in ticks], [np.stack(rows[place::outputs]) for place in range(outputs)])
