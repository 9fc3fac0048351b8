"""What benchmarks measured, as rows, and the figures and tables that are made of them."""
