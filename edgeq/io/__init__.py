"""Read and write models, TOML and JSON: input may be hostile, output is whole or not there."""
