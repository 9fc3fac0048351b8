"""TensorFlow Lite: the emitter of .tflite files. The schema comes from the extra [tflite]; no
TensorFlow, no runtime.
"""
