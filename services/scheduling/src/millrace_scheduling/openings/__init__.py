"""Openings by place and week: what the feed and the stream of live openings tell."""
