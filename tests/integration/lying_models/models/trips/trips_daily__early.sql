{{ daily(ref('trip_events__early')) }}
