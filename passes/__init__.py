"""Graph passes, one small file each; they are imported as edgeq.passes."""
