"""Reviews: what a patient says of one completed visit."""
