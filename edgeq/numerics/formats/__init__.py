"""Number formats of weights: their bits, scales and codecs; one file a format or family.

To add a format:

1. Write edgeq/numerics/formats/FAMILY.py with a subclass of `Format` (format.py says what it has to
   answer) and `FAMILIES`, a tuple with one `Family` for each name. Nothing else names the file:
   table.py finds it, and the command line, recipes and `edgeq formats` take its names from there.
2. Write passes/store/store_FAMILY.py with `store`, which adds the nodes that compute a weight from
   what the format stores (passes/store/store_formats.py calls it). A family that is stored as plain
   integers needs none.
3. Add a row to the table of docs/formats.md.

`check_format` of edgeq/testing/format_laws.py holds a format to the laws of formats.
"""
