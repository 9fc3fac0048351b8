"""What a comparison runs: two models, on one data set."""
