"""What came of a run, as data, text and HTML."""
