"""The command `edgeq report`: pages from reports that were written as JSON."""
