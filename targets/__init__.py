"""Chips as facts, one TOML file each."""
