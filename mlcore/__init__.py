"""The learning core: arrays in, arrays out. Knows no Django and no database."""
