"""The command `edgeq finetune`: its options, jobs, files and tables."""
