"""Scores of whole scans: lesions, surfaces and volumes, by the conventions of the field, each held to its library."""
