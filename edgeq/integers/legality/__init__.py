"""Check whether a quantized model keeps to the facts of a target; no rule names a target."""
