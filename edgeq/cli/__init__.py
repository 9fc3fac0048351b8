"""The command line of edgeq, the only room that prints."""
