"""What the emulator of the Hexagon HTP places, operator by operator."""
