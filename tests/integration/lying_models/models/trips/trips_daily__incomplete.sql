{{ daily(ref('trip_events__incomplete')) }}
