"""The commands of `edgeq` put together, and how a run of one of them ends."""
