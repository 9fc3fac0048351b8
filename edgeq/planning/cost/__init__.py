"""What nodes and conversions cost on a machine, by the figures of a target."""
