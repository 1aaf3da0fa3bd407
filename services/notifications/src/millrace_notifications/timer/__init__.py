"""Letters to patients whose time comes."""
