"""Pure rules of a migration: no I/O, no clock, nothing but the standard library, pydantic and sqlglot."""
