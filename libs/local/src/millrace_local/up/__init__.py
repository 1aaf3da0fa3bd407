"""`millrace up`: the whole platform as processes of this machine."""
