"""What a new user starts from: a commented recipe and a description of the data, for one model."""
