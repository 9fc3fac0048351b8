"""Write a .tflite file as C source: an array to link into firmware, and a header about it."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from edgeq.io.marks import mark_of
from edgeq.runtimes.protocol import Port
from edgeq.runtimes.tflite.arena import ARENA_STEP, smallest_arena
from edgeq.runtimes.tflite.tflm import TfLiteMicro

_BYTES_A_LINE = 16
#: what the name of an array must not be: keywords of C23 and C++23 without an underscore in front,
#: what compilers define, and the program's own entry; names that end in _t belong to headers
_TAKEN = re.compile(
    r"""
    alignas | alignof | and | and_eq | asm | auto | bitand | bitor | bool | break | case | catch | char |
    class | compl | concept | const | const_cast | consteval | constexpr | constinit | continue | co_await |
    co_return | co_yield | decltype | default | delete | do | double | dynamic_cast | else | enum | explicit |
    export | extern | false | float | for | friend | goto | if | inline | int | linux | long | main | mutable
    | namespace | new | noexcept | not | not_eq | nullptr | operator | or | or_eq | private | protected |
    public | register | reinterpret_cast | requires | restrict | return | short | signed | sizeof | static |
    static_assert | static_cast | struct | switch | template | this | thread_local | throw | true | try |
    typedef | typeid | typename | typeof | typeof_unqual | union | unix | unsigned | using | virtual | void |
    volatile | while | xor | xor_eq
    """,
    re.VERBOSE,
)


@dataclass(frozen=True)
class CSource:
    """The C form of a model."""

    #: text of NAME.c
    source: str
    #: text of NAME.h: arena size, and type, scale and zero point of every input and output
    header: str


def c_source(model: bytes, name: str, inputs: int = 1, outputs: int = 1) -> CSource:
    """The C source of a model with this number of inputs and outputs.

    `name` is the name of the files; it becomes the prefix of every symbol. The arena is measured
    with TFLite Micro on this 64-bit host. Raises MissingExtra without the package tflite-micro, and
    RuntimeRefused.
    """
    symbol = symbol_of(name)
    opened, arena = TfLiteMicro(model, inputs, outputs), smallest_arena(model)
    guard = f"{symbol.upper()}_H"
    digest = hashlib.sha256(model).hexdigest()
    version = f"{symbol.upper()}_IS_{digest[:16].upper()}"
    lines = [
        f"// {mark_of(digest)}",
        f"#ifndef {guard}",
        f"#define {guard}",
        f"#define {version}",
        "",
        "#include <stdint.h>",
        "",
        f"// The smallest arena, in steps of {ARENA_STEP} bytes, that TFLite Micro allocates this model in on a 64-bit host:",
        "// an upper bound for 32-bit chips, whose pointers are half as long. Kernels of a chip's own library may need more.",
        f"#define {symbol.upper()}_ARENA_BYTES {arena}",
        "",
        "// real = scale * (code - zero point); images are [1, height, width, channels]",
        *(line for place, port in enumerate(opened.inputs) for line in _port(f"{symbol.upper()}_INPUT_{place}", port)),
        *(line for place, port in enumerate(opened.outputs) for line in _port(f"{symbol.upper()}_OUTPUT_{place}", port)),
        "",
        f"extern const unsigned char {symbol}[];",
        f"extern const unsigned int {symbol}_len;",
        "",
        f"#endif  // {guard}",
    ]
    rows = [", ".join(f"0x{byte:02x}" for byte in model[start : start + _BYTES_A_LINE]) for start in range(0, len(model), _BYTES_A_LINE)]
    body = ",\n  ".join(rows)
    same = f'#ifndef {version}\n#error "{name}.h belongs to another model than {name}.c"\n#endif\n'
    named = name.isprintable() and not set(name) & set('"\\?')  # else the header, which repeats declarations alone, is left out
    include = f'#include "{name}.h"\n{same}\n' if named else ""
    head = f"// {mark_of(digest)}\n{include}_Alignas(16) const unsigned char {symbol}[] = {{\n  "
    source = f"{head}{body}}};\nconst unsigned int {symbol}_len = {len(model)};\n"
    return CSource(source, "\n".join(lines) + "\n")


def symbol_of(name: str) -> str:
    """A file name as a name that C and C++ take and do not use themselves.

    >>> symbol_of("mobile-net.v2"), symbol_of("2nd"), symbol_of("float"), symbol_of("")
    ('mobile_net_v2', 'm_2nd', 'm_float', 'm_')
    """
    symbol = re.sub(r"\W", "_", name, flags=re.ASCII)
    taken = _TAKEN.fullmatch(symbol) is not None or symbol.endswith("_t") or not symbol[:1].isalpha()
    return f"m_{symbol}" if taken else symbol


def _port(prefix: str, port: Port) -> list[str]:
    elements = 1
    for size in port.shape:
        elements *= size
    shape = ", ".join(str(size) for size in port.shape)
    lines = [f"// {port.dtype} [{shape}]", f"#define {prefix}_ELEMENTS {elements}"]
    if port.dtype == "int32":  # indices have no grid
        return lines
    return [*lines, f"#define {prefix}_SCALE {port.scale!r}f", f"#define {prefix}_ZERO_POINT ({port.zero_point})"]
