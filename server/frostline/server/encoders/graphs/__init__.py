"""ONNX graphs built straight from checkpoint weights."""
