"""What all commands share: the values of their common options."""
