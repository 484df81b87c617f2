{{ daily(ref('trip_events'), join='inner join ops.cabs using (rider)') }}
