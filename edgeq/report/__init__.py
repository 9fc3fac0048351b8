"""The results of a run as data, as text and as HTML."""
