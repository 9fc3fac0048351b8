"""Exact codecs of published number formats: numbers to codes and exponents, and back."""
