"""Clean and order the `changes` feed into the `entities` feed."""
