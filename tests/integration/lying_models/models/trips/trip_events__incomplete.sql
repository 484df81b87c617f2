{{ events(where="t.trip_id <> 't4'") }}
