"""Write the truth and the read model from the `entities` feed."""
