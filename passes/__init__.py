"""Graph passes, one small file each. Import as edgeq.passes."""
