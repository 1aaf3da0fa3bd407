"""Import of NPPES dissemination files: providers, practices and their locations."""
