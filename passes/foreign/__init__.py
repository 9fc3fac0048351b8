"""Passes that bring a model that another tool quantized into the form that integers/ reads."""
