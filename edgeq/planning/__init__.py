"""Plan from statistics alone: where nodes run, and a grid for every value and weight."""
