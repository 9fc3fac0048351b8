"""The runtimes of .tflite files: LiteRT, TFLite Micro, and the compiler of the Ethos-U."""
