"""Reports as pages: a typed document of what is shown, and the page that draws it."""
