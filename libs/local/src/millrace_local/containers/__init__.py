"""What a platform of containers needs once or all the time, and `millrace up` does itself."""
