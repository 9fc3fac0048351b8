"""Learning: training of quantized models on their float originals; the only part of edgeq that knows torch (extra [learn])."""
