"""The projector: writes the source of truth and the read model from the `entities` feed."""
