"""What a page draws of a run: its graph, and what became of each layer and each value."""
