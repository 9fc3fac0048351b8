"""Damage to JSON and TOML by their structure: values replaced, keys dropped, repeated, renamed."""

from __future__ import annotations

import json
from random import Random

from tests.fuzz import odd
from tests.fuzz.damage.raw_bytes import mutate_bytes


def mutate_json(random: Random, text: str) -> str:
    """A damaged copy of a JSON document."""
    document = json.loads(text)
    for _ in range(random.choice((1, 1, 2, 4))):
        _replace_somewhere(random, document)
    changed = json.dumps(document, indent=random.choice((None, 2)))
    return _deep(changed) if random.random() < 0.03 else changed


def _replace_somewhere(random: Random, document: object) -> None:
    """Walk to a random place, and change what stands there."""
    while isinstance(document, dict | list) and document:
        key = random.choice(list(document)) if isinstance(document, dict) else random.randrange(len(document))
        inner = document[key]  # type: ignore[index]
        if isinstance(inner, dict | list) and inner and random.random() < 0.85:
            document = inner
            continue
        action = random.randrange(4)
        if action == 0:
            del document[key]  # type: ignore[arg-type]
        elif action == 1 and isinstance(document, dict):
            document[odd.name(random)] = document.pop(key)
        else:
            document[key] = odd.value(random)  # type: ignore[index]
        return


def _deep(text: str) -> str:
    """The document under 10,000 brackets."""
    return "[" * 10_000 + text + "]" * 10_000


def mutate_toml(random: Random, text: str) -> str:
    """A damaged copy of a TOML document."""
    lines = text.splitlines()
    for _ in range(random.choice((1, 1, 2, 4))):
        if lines:
            _change_line(random, lines)
    return "\n".join(lines) + "\n"


def _change_line(random: Random, lines: list[str]) -> None:
    place = random.randrange(len(lines))
    key = lines[place].partition("=")[0]
    action = random.randrange(7)
    if action == 0:
        del lines[place]
    elif action == 1:
        lines.insert(place, lines[random.randrange(len(lines))])
    elif action == 2:
        lines.insert(
            place,
            random.choice(
                ("=", "[", "[[input]]", "[floors]", "a = 1", "a.b.c = 2", f"{'a.' * 500}b = 1", "x = " + "[" * 2000 + "]" * 2000)
            ),
        )
    elif action in (3, 4, 5) and "=" in lines[place]:
        lines[place] = f"{key}= {_toml(odd.value(random))}"
    else:
        lines[place] = mutate_bytes(random, lines[place].encode()).decode("utf-8", "replace")


def _toml(value: object) -> str:
    """A value as TOML writes it; JSON's spelling does for the rest."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    if isinstance(value, float):
        return str(value)
    return '"none"' if value is None else json.dumps(value)
