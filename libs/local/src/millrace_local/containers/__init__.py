"""Commands for a platform in containers, for tasks that `millrace up` does itself."""
