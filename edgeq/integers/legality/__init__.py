"""Whether a quantized model keeps to the facts of a target: rules derived from the target file,
none for a chip by name.
"""
