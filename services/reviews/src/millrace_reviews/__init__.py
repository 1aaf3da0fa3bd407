"""Reviews of visits, their moderation and the averages that search shows."""
