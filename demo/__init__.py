"""The demo: real flights, replayed as if they happened now."""
