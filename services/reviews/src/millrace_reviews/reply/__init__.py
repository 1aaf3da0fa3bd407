"""Replies: public answers of practices to reviews."""
