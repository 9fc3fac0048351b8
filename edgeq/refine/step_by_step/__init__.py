"""What is decided layer after layer, while both models run side by side on a few samples."""
