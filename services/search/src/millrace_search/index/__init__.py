"""The read model as search holds it: decoded, ready to use, and kept fresh."""
