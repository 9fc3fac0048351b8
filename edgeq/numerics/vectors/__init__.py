"""Tables whose entries are vectors of weights: clusters, entries, and codes that descend."""
