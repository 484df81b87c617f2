"""Use cases, one module a verb. They reach the world through `slipway.ports` only."""
