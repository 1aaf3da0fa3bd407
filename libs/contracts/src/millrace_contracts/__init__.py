"""The contracts between services: the event envelope and the entities in events."""
