{{ daily(ref('trip_events'), fares='sum(greatest(fare, 150))') }}
