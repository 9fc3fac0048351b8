"""An integer model in torch, with gradients, and what of it is learned."""
