"""What --json prints: the forms of its documents, their schemas, and errors."""
