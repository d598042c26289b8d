"""Records to weekly features, one extractor a modality, all students of a chunk at once."""
