"""Input grids of matrix products, chosen by the error of the products."""
