"""Parts of a graph that are recognized: by what they compute, or by how elements pass through."""
