"""What single operators cost on this machine, in integers and in float."""
