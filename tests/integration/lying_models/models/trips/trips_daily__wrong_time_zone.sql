{{ daily(ref('trip_events'), day="cast(started at time zone 'UTC' as date)") }}
