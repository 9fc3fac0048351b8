"""Models, TOML and JSON on disk: what is read may be hostile, what is written is whole or not
there.
"""
