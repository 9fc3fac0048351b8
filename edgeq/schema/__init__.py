"""The typed documents: target, recipe, plan, and the task made of them."""
