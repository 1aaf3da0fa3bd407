"""Reviews: ratings and texts of patients about completed visits."""
