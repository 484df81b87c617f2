-- Bring ops.flights to the state that was just copied; a row never goes back in time.
INSERT INTO ops.flights AS known
SELECT * FROM arriving
ON CONFLICT (flight_id) DO UPDATE SET
    dep_delay = excluded.dep_delay,
    arr_delay = excluded.arr_delay,
    departed_at = excluded.departed_at,
    arrived_at = excluded.arrived_at,
    cancelled_at = excluded.cancelled_at,
    updated_at = excluded.updated_at
WHERE known.updated_at < excluded.updated_at
