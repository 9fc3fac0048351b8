"""QDQ models as integer operators: checked against a target, run in numpy, written as TFLite."""
