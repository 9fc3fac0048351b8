"""From the statistics of a tensor to the interval that its grid should span: one rule a file."""
