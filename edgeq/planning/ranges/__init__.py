"""Range rules: from the statistics of a tensor to the interval of its grid, one file per rule."""
