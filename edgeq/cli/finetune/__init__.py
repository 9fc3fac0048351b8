"""The command `edgeq finetune`."""
