"""Odd names, numbers and texts, as hand-written and hostile files hold them."""

from __future__ import annotations

from random import Random

NAMES = (
    *(
        "",
        " ",
        "a b",
        "a/b",
        "../up",
        "/abs",
        "a\\b",
        "a.b",
        "N",
        "x",
        "y",
        "None",
        "nan",
        "labels",
        "con",
        "int",
        "while",
        "a:0",
        "a=b",
        "a,b",
    ),
    *(
        "\x1b[31mred",
        "line\nbreak",
        "tab\there",
        "nul\x00byte",
        "\u202eright",
        "\u200bnothing",
        "\u00e4\u00f6\u00fc",
        "\U0001f600",
        "'quote\"",
        "%s%n",
    ),
    *(
        "[bold]x[/bold]",
        "[/]",
        "{x}",
        "${HOME}",
        "$(true)",
        "`true`",
        "*",
        "?",
        "[a-",
        "-o",
        "--json",
        "#",
        "é" * 40,
        "n" * 300,
        "n" * 5000,
    ),
)
INTEGERS = (0, 1, -1, 2, 3, 7, 127, 128, 255, 256, 32767, 65536, 2**31 - 1, 2**31, -(2**31), 2**32, 2**40, 2**62, 2**63 - 1, -(2**63))
REALS = (0.0, -0.0, 1.0, -1.0, 0.5, 1e-45, 1e-38, 1e-8, 3.4e38, -3.4e38, float("inf"), float("-inf"), float("nan"))
TEXTS = (*NAMES, "1e999", "0x10", "1_000", "1,2", "1.5", "-3", "true", "x" * 100_000)


def name(random: Random) -> str:
    return random.choice(NAMES)


def integer(random: Random) -> int:
    return random.choice(INTEGERS)


def real(random: Random) -> float:
    return random.choice(REALS)


def value(random: Random, depth: int = 2) -> object:
    """Anything that JSON and TOML can hold."""
    kind = random.randrange(7 if depth else 5)
    if kind == 5:
        return [value(random, depth - 1) for _ in range(random.choice((0, 1, 3)))]
    if kind == 6:
        return {name(random): value(random, depth - 1) for _ in range(random.choice((0, 1, 2)))}
    return (None, random.random() < 0.5, integer(random), real(random), random.choice(TEXTS))[kind]
