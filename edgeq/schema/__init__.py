"""The typed documents (target, recipe and plan) and the task that combines them."""
