"""What the runtimes of devices and an emulated chip make of a quantized model."""
