"""Everything that knows the stream engine is Flink."""
