"""Parts of the plan: its words for what decided, and the form that it had before."""
