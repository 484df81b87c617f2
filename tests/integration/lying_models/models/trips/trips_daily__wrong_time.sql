{{ daily(ref('trip_events__wrong_time')) }}
