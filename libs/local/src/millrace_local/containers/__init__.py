"""Commands for a platform in containers; without containers, `millrace up` does the same tasks itself."""
