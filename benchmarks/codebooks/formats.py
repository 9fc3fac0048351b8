"""Number formats of weights on the model zoo: size, stored bits, accuracy, as a table.

    python -m benchmarks.codebooks.formats --models dscnn_kws,resnet20_cifar10 --json rows.json
    python -m benchmarks.codebooks.formats --formats int4,two_level:16 --samples 100

Every row is quantized with the data in view for target cpu, integers wherever possible. The zoo is
not part of the project: see benchmarks/codebooks/subjects.py.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass

import edgeq
from benchmarks.codebooks.subjects import Subject, parser, subjects
from edgeq.schema.cost import PlacementWish
from edgeq.schema.recipe import Recipe
from edgeq.schema.weight_format import WeightFormats

FORMATS = "int8,mx6,two_level:16,block:32,mxfp4,int4,codebook:4,mx4"


@dataclass(frozen=True)
class Row:
    """One model in one format.

    size: of the file against the float file. stored_bits: of the weights that have the format.
    metric: of evaluate.py; sqnr_db: of the outputs against float, on the evaluation split. seconds:
    CPU time of quantizing.
    """

    model: str
    format: str
    size: float
    stored_bits: float
    sqnr_db: float
    metric: float
    float_metric: float
    samples: int
    limit: int | None
    seconds: float


def main() -> None:
    options = parser(__doc__, "dscnn_kws,resnet20_cifar10,squeezenet1_1_imagenet,kwt1_kws,mobilenetv1_025_imagenet")
    options.add_argument("--formats", default=FORMATS)
    args, rows = options.parse_args(), []
    print("| model | format | size | stored bits | SQNR dB | metric (float) | CPU s |\n|---|---|---|---|---|---|---|")
    for subject in subjects(args):
        for word in args.formats.split(","):
            rows.append(measure(subject, word, args.samples))
            if args.json:
                args.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")


def measure(subject: Subject, word: str, samples: int) -> Row:
    name, model, file, base = subject.name, subject.model, subject.folder / "made.onnx", subject.float_metric
    began = time.process_time()
    recipe = Recipe(weight_format=WeightFormats(name=word), placement=PlacementWish(prefer="integers"))
    made = edgeq.quantize(model, str(subject.data), recipe=recipe, prove=False)
    seconds = time.process_time() - began
    made.save(file, force=True)
    found, sqnr = subject.metric(file)
    few = [(one.float_bytes // 4, one.bytes) for one in made.report.formats] + [
        (one.float_bytes // 4, one.bytes) for one in made.report.codebooks
    ]
    weights = sum(count for count, _ in few)
    bits = 8 * sum(size for _, size in few) / weights if weights else 8.0
    row = Row(name, word, file.stat().st_size / model.stat().st_size, bits, sqnr, found, base, samples, subject.limit, seconds)
    print(f"| {name} | {word} | {row.size:.3f} | {bits:.2f} | {sqnr:.1f} | {found:.4f} ({base:.4f}) | {seconds:.0f} |", flush=True)
    return row


if __name__ == "__main__":
    main()
