{{ daily(ref('trip_events__changed_dimension')) }}
