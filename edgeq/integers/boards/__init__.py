"""What a chip computed beside what it must compute: every value, operator after operator."""
