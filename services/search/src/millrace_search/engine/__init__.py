"""The query engine: pure and synchronous over arrays, without I/O."""
