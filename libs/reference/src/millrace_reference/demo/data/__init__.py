"""What the demo data is made of."""
