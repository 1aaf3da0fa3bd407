"""Files that fill the directory: NPPES and the CMS QHP provider directory."""
