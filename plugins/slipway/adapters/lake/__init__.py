"""Iceberg tables by PyIceberg: the catalog that Flink shares, their maintenance, and their late rows."""
