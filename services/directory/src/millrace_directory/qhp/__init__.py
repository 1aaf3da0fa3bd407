"""Import of CMS QHP provider directory files: insurance plans and their providers."""
