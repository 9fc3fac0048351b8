"""Factors of requantization that every implementation rounds alike: see decision 19."""
