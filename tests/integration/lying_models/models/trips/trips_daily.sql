{{ daily(ref('trip_events')) }}
