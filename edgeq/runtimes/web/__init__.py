"""onnxruntime-web, which runs models in browsers and in Node by WebAssembly."""
