"""The query engine: synchronous functions on arrays, without I/O."""
