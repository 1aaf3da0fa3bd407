"""The files that `bake.py` writes, and the hand-kept lists of visit reasons and languages."""
