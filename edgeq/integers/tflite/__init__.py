"""The emitter of .tflite files; the schema comes from the extra [tflite], without TensorFlow."""
