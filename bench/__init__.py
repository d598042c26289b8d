"""What the product costs, measured: `python -m bench path` times the whole path, stage by stage."""
