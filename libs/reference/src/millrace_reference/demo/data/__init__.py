"""Sources of the demo data: names, streets, kinds of practices, population by ZIP code."""
