"""A new migration from a sample: where samples come from, and how its files are written."""
