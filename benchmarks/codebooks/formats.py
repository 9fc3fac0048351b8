"""Number formats of weights on the model zoo: size, stored bits, accuracy, as a table.

    python -m benchmarks.codebooks.formats --models dscnn_kws,resnet20_cifar10 --json rows.json
    python -m benchmarks.codebooks.formats --formats int4,two_level:16 --samples 100

Every row is quantized with the data in view for target cpu, integers wherever possible. The zoo is
not part of the project: see benchmarks/codebooks/widths.py.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import edgeq
from benchmarks.codebooks.widths import metric
from benchmarks.measures.model_zoo import Zoo, find_zoo
from edgeq.schema.cost import PlacementWish
from edgeq.schema.recipe import Recipe
from edgeq.schema.weight_format import WeightFormats

FORMATS = "int8,mx6,two_level:16,mxfp4,int4,mx4"


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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="dscnn_kws,resnet20_cifar10,squeezenet1_1_imagenet,kwt1_kws,mobilenetv1_025_imagenet")
    parser.add_argument("--formats", default=FORMATS)
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--limit", type=int, help="evaluation samples")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    zoo, rows = find_zoo(None), []
    print("| model | format | size | stored bits | SQNR dB | metric (float) | CPU s |\n|---|---|---|---|---|---|---|")
    for name in args.models.split(","):
        model = zoo.model(name)
        if model is None:
            print(f"{name}: not in the zoo", file=sys.stderr)
            continue
        with tempfile.TemporaryDirectory() as folder:
            data = Path(folder) / "calib.npz"
            zoo.evaluate("--export", name, "calib", str(data), "--limit", str(args.samples))
            base = metric(zoo, name, model, args.limit)[0]
            for word in args.formats.split(","):
                rows.append(measure(zoo, name, model, data, word, base, args))
                if args.json:
                    args.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")


def measure(zoo: Zoo, name: str, model: Path, data: Path, word: str, base: float, args: argparse.Namespace) -> Row:
    file = data.parent / "made.onnx"
    began = time.process_time()
    recipe = Recipe(weight_format=WeightFormats(name=word), placement=PlacementWish(prefer="integers"))
    made = edgeq.quantize(model, str(data), recipe=recipe, prove=False)
    seconds = time.process_time() - began
    made.save(file, force=True)
    found, sqnr = metric(zoo, name, file, args.limit)
    weights = sum(layer.float_bytes // 4 for layer in made.report.formats)
    bits = 8 * sum(layer.bytes for layer in made.report.formats) / weights if weights else 8.0
    row = Row(name, word, file.stat().st_size / model.stat().st_size, bits, sqnr, found, base, args.samples, args.limit, seconds)
    print(f"| {name} | {word} | {row.size:.3f} | {bits:.2f} | {sqnr:.1f} | {found:.4f} ({base:.4f}) | {seconds:.0f} |", flush=True)
    return row


if __name__ == "__main__":
    main()
