"""Tests that every command line, option, target and extra that a page, a help or a message names
exists: by the command line's own definition, the shipped targets and pyproject.toml.
"""

from __future__ import annotations

import itertools
import re
import tomllib
from functools import cache
from typing import get_args

import pytest

from edgeq.cli.settings import Compute
from edgeq.runtimes.table import DEFAULT, RUNTIMES
from edgeq.schema.codebook import CodebookWish
from edgeq.schema.finetune import FineTuneWish
from edgeq.schema.recipe import Recipe
from edgeq.schema.target import Target, shipped_targets
from tests.docs.written import COMMANDS, PAGES, ROOT, Said, blocks, divided, helps, in_blocks, literals, numbered, spans, words_of

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = set(PROJECT["optional-dependencies"])
#: of edgeq before any command, and of every command
EVERYWHERE = {"--help", "-h", "--version", "-V"}
#: options of other programs that a text names, with the program
FOREIGN = {
    "--include_ops_by_config": "the build script of onnxruntime",
    "--accelerator-config": "vela",
    "--show-cpu-operations": "vela",
    "--output-dir": "vela",
    "--index-url": "pip",
    "--follow": "git log",
    **dict.fromkeys(("--saved-model", "--output", "--keras", "--graphdef", "--inputs", "--outputs", "--tflite", "--opset"), "tf2onnx"),
    **dict.fromkeys(("--headless", "--disable-gpu", "--no-first-run", "--disable-extensions", "--no-sandbox"), "chromium"),
    **dict.fromkeys(("--disable-background-networking", "--user-data-dir"), "chromium"),
    "--strict": "mypy, in CONTRIBUTING.md; of edgeq too",
}
OPTION = re.compile(r"(?<![\w-])(--?[A-Za-z][\w-]*)")


def literal_words(annotation: object) -> set[str]:
    """The words of a Literal, however it is wrapped."""
    inner = get_args(annotation)
    return set().union(*map(literal_words, inner)) if inner else {str(annotation)}


def allowed_words() -> dict[str, set[str]]:
    """The words that an option takes, for options that take words of a list."""
    fields = {**CodebookWish.model_fields, **FineTuneWish.model_fields, **Recipe.model_fields}
    of_recipe = ("rule", "weights", "rounding", "effort", "objective", "inputs_as", "reconstruct", "centroids", "bits")
    return {
        **{f"--{name.replace('_', '-')}": literal_words(fields[name].annotation) for name in of_recipe},
        "--compute": set(get_args(Compute)),
        "--runtime": {DEFAULT, *RUNTIMES},
        "--target": set(shipped_targets()),
        "-t": set(shipped_targets()),
        "--emit": {"c", "ort"},
    }


WORDS = allowed_words()


@cache
def options_of(command: str) -> frozenset[str]:
    """The options of one command, in every spelling."""
    return frozenset(name for one in COMMANDS[command].params for name in (*one.opts, *one.secondary_opts) if name.startswith("-"))


ALL_OPTIONS = EVERYWHERE.union(*map(options_of, COMMANDS))


def stands_for_another(word: str) -> bool:
    """Whether a word is one that the reader replaces, or a file of the reader's."""
    return word.isupper() or word == "..." or "/" in word or word.endswith(".toml")


def wrong_values(words: list[str]) -> list[str]:
    """Values of options that are none of the words that the option takes."""
    wrong = []
    for option, value in itertools.pairwise(words):
        if option in WORDS and not stands_for_another(value):
            wrong += [f"{option} {one}" for one in re.split(r"[,|]", value) if one not in WORDS[option]]
    return wrong


def faults_of_edgeq(words: list[str], whole: bool) -> list[str]:
    """What does not exist in `edgeq WORDS`. whole: it can be run as it stands, and has to parse."""
    command = words[0] if words else ""
    if command.startswith("-") or not command:
        return [word for word in words if word not in EVERYWHERE]
    if command not in COMMANDS:
        return [f"command {command}"]
    given = {word.partition("=")[0] for word in words[1:] if OPTION.match(word)}
    unknown = sorted(given - options_of(command) - EVERYWHERE)
    if unknown or not whole:
        return [*(f"{command} {option}" for option in unknown), *wrong_values(words)]
    try:
        COMMANDS[command].make_context(command, words[1:])
    except Exception as error:  # typer has a click of its own in some versions
        return [f"{command}: {error}"]
    return wrong_values(words)


def faults_of_others(words: list[str]) -> list[str]:
    """What does not exist in a line of pip, make or python."""
    if words[0] == "make":
        rules = set(re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
        return [f"make {word}" for word in words[1:] if "=" not in word and word not in rules]
    if words[0] == "pip":
        return [
            f"extra {name}"
            for word in words
            for names in re.findall(r"edgeq\[([^\]]*)\]", word)
            for name in names.split(",")
            if name not in EXTRAS
        ]
    script = ROOT / (words[2].replace(".", "/") + ".py") if words[1:2] == ["-m"] else ROOT / words[1]
    if words[1:2] == ["-m"] and (not words[2].startswith("benchmarks.") or any(map(stands_for_another, words[2].split(".")))):
        return []
    if not script.is_file():
        return [f"script {script.relative_to(ROOT)}"]
    text = script.read_text(encoding="utf-8")
    return [f"{script.relative_to(ROOT)} {word}" for word in words[2:] if word.startswith("--") and f'"{word}"' not in text]


def faults(line: Said, *, whole: bool) -> list[str]:
    """What one command line names that does not exist, each with the place of the line."""
    words = words_of(line.text)
    found = faults_of_edgeq(words[1:], whole) if words[0] == "edgeq" else faults_of_others(words)
    return [f"{line.place}: {one}" for one in found]


def unknown_options(said: Said) -> list[str]:
    """Options in a text that are nobody's: of no command, no benchmark, no foreign program."""
    named = {option for option in re.findall(r"(?<![\w-])(--[a-z][\w-]*)", said.text) if not option.endswith("-")}
    known = (
        ALL_OPTIONS
        | set(FOREIGN)
        | (benchmark_options() if said.place.startswith(("benchmarks", "docs/benchmarks.md", "CONTRIBUTING")) else set())
    )
    return [f"{said.place}: {option}" for option in sorted(named - known)]


@cache
def benchmark_options() -> set[str]:
    """The options of the scripts of benchmarks/ and of the fuzz campaign."""
    return {
        option
        for folder in ("benchmarks", "tests/fuzz")
        for path in (ROOT / folder).rglob("*.py")
        for option in re.findall(r'"(--[a-z][\w-]*)"', path.read_text(encoding="utf-8"))
    }


def unknown_extras(said: Said) -> list[str]:
    """Extras in a text that pyproject.toml does not have."""
    named = re.findall(r"edgeq\\?\[(\w+)\]|extra `?\[?(\w+)\]", said.text)
    return [f"{said.place}: extra {name}" for pair in named for name in pair if name and name not in EXTRAS]


def unknown_targets(said: Said) -> list[str]:
    """Names that a text says are targets, and none is shipped."""
    lists = re.findall(r"[Tt]argets?((?: of integers only)?:?(?:,| and| or)? `[^`]+`(?:(?:,| and|, and| or) `[^`]+`)*)", said.text)
    known = {*shipped_targets(), *Target.model_fields}
    named = (name for one in lists for name in re.findall(r"`([a-z]\w*)`", one))
    return [f"{said.place}: target {name}" for name in named if name not in known]


def prose() -> list[Said]:
    """The lines of every page outside of blocks."""
    return [line for page in PAGES for line in divided(numbered(page))[1]]


# ------------------------------------------------------------------ what is written


@pytest.mark.parametrize("line", [*in_blocks(), *helps()], ids=lambda line: f"{line.place} {line.text}")
def test_a_command_line_that_can_be_copied_parses(line: Said) -> None:
    assert faults(line, whole=True) == []


def test_command_lines_in_sentences_name_what_exists() -> None:
    lines = [span for span in spans() if re.match(r"(edgeq|make|pip install|python -m) [a-z-]", span.text)]
    assert len(lines) > 40
    assert [fault for line in lines for fault in faults(line, whole=False)] == []


def test_options_in_sentences_exist() -> None:
    named = [span for span in spans() if "--" in span.text]
    assert len(named) > 100
    assert [fault for span in named for fault in unknown_options(span)] == []


def test_values_of_options_in_sentences_exist() -> None:
    assert [f"{span.place}: {fault}" for span in spans() if span.text.startswith("-") for fault in wrong_values(span.text.split())] == []


def test_an_option_in_a_row_of_commands_is_one_of_that_command() -> None:
    """A row or a line of the change log that begins with a command and names no other."""
    checked, wrong = 0, []
    for line in prose():
        commands = set(re.findall(r"`edgeq (\w+)", line.text)) & set(COMMANDS)
        if not re.match(r"(\| |- )`edgeq \w", line.text) or len(commands) != 1:
            continue
        (command,) = commands
        named = {option for span in re.findall(r"`([^`]+)`", line.text) for option in re.findall(r"(?<![\w-])--[a-z][\w-]*", span)}
        checked += len(named)
        wrong += [f"{line.place}: {command} {option}" for option in sorted(named - options_of(command) - EVERYWHERE)]
    assert checked > 3
    assert wrong == []


def test_readme_names_every_command() -> None:
    rows = [line.text for line in numbered(ROOT / "README.md") if line.text.startswith("| `edgeq ")]
    assert {name for row in rows for name in re.findall(r"`edgeq (\w+)", row)} >= set(COMMANDS)


def test_every_command_has_an_example_of_itself() -> None:
    assert {line.place.split()[1] for line in helps() if line.text.split()[1] == line.place.split()[1]} == set(COMMANDS)


def test_messages_and_help_name_options_that_exist() -> None:
    named = [text for text in literals() if "--" in text.text]
    assert len(named) > 100
    assert [fault for text in named for fault in unknown_options(text)] == []


def test_messages_and_help_name_commands_that_exist() -> None:
    """`edgeq WORD` where the word begins a command, as messages and docstrings write it."""
    named = [(text.place, word) for text in literals() for word in re.findall(r"(?:`|[Rr]un )edgeq ([a-z]+)\b", text.text)]
    assert len(named) > 20
    assert [found for found in named if found[1] not in COMMANDS] == []


def test_extras_exist() -> None:
    texts = [*prose(), *(line for block in blocks() for line in block.lines), *literals(), *helps()]
    named = [text for text in texts if re.search(r"edgeq\\?\[\w+\]|extra `?\[?\w+\]", text.text)]
    assert len(named) > 20
    assert [fault for text in named for fault in unknown_extras(text)] == []


def test_targets_in_sentences_exist() -> None:
    assert [fault for line in prose() for fault in unknown_targets(line)] == []


def test_settings_in_sentences_are_keys_of_recipes_or_targets() -> None:
    """`weight_bits = 4`: what may be copied into a recipe is valid there."""
    checked = 0
    for span in spans():
        key = span.text.partition(" = ")[0]
        if re.fullmatch(r"[a-z_]+ = (\d+(\.\d+)?|\"\w+\"|\[.*\])", span.text) and key in Recipe.model_fields:
            Recipe.model_validate(tomllib.loads(span.text))
            checked += 1
    assert checked > 5


def test_recipe_keys_in_sentences_exist() -> None:
    known = {
        *Recipe.model_fields,
        *(f"finetune.{name}" for name in FineTuneWish.model_fields),
        *(f"codebook.{name}" for name in CodebookWish.model_fields),
    }
    named = [
        (line.place, key)
        for line in prose()
        for one in re.findall(r"[Rr]ecipe keys? ((?:`[^`]+`(?:, | and )?)+)", line.text)
        for key in re.findall(r"`([^`]+)`", one)
    ]
    assert named
    assert [found for found in named if found[1] not in known] == []


# ------------------------------------------------------------------ the walk can fail


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("edgeq quantise model.onnx", "command quantise"),
        ("edgeq quantize model.onnx -d calib.npz -o model.int8.onnx --no-such 3", "quantize --no-such"),
        ("edgeq prove model.int8.onnx --max-drop 0.5", "prove --max-drop"),
        ("edgeq quantize model.onnx -d calib.npz -o out.onnx --target npu_pow3", "--target npu_pow3"),
        ("edgeq prove model.int8.onnx --runtime tfmicro", "--runtime tfmicro"),
        ("edgeq finetune model.onnx -d calib.npz -o out.onnx --bits 4,7", "--bits 7"),
        ("edgeq quantize model.onnx -d calib.npz -o out.onnx --rule mean", "--rule mean"),
        ("pip install 'edgeq[learning]'", "extra learning"),
        ("make everything", "make everything"),
        ("python -m benchmarks.peers.zoo --yaml zoo.json", "benchmarks/peers/zoo.py --yaml"),
        ("python -m benchmarks.peers.farm", "script benchmarks/peers/farm.py"),
    ],
)
def test_a_line_with_something_that_does_not_exist_is_found(line: str, fault: str) -> None:
    assert faults(Said("page:1", line), whole=True) == [f"page:1: {fault}"]
    assert faults(Said("page:1", line), whole=False) == [f"page:1: {fault}"]


@pytest.mark.parametrize(
    "line",
    ["edgeq quantize model.onnx -d calib.npz", "edgeq compare a.onnx", "edgeq quantize m.onnx -d c.npz -o q.onnx --min-agreement 97"],
)
def test_a_line_that_does_not_parse_is_found(line: str) -> None:
    """A required option or argument is missing, or a number is out of its range."""
    assert len(faults(Said("page:1", line), whole=True)) == 1
    assert faults(Said("page:1", line), whole=False) == []


def test_words_that_do_not_exist_are_found_in_sentences() -> None:
    assert unknown_options(Said("p", "with --no-such and --target")) == ["p: --no-such"]
    assert unknown_extras(Said("p", "pip install 'edgeq[learning]', the extra `[tflite]` or `[nothing]`, extra [torch]")) == [
        "p: extra learning",
        "p: extra torch",
    ]
    assert unknown_targets(Said("p", "Targets `cpu`, `gpu` and `cpu_arm`; the target `tpu`")) == ["p: target gpu", "p: target tpu"]
