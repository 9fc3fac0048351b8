"""The nodes of a model file: written out, counted and sorted before anything else reads them."""
