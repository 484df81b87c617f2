"""The routed views in the warehouse, their routes and the journal of every change."""
