"""What the scripts of the other rooms share: how a measure is taken, and where the model zoo is."""
