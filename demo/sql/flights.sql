-- Which flights were planned on the local days of a slice, and when did each leave, land or get cancelled?
-- Instants are TIMESTAMPTZ. Derived: a flight lands at its scheduled arrival, read in the time zone of its
-- destination, plus the delay. Assumed: a cancellation is known at the scheduled departure. Four airports of
-- Puerto Rico and the Virgin Islands are absent from the file of airports.
WITH flights AS (
    SELECT *
    FROM read_csv(
        $flights,
        auto_detect = false,
        header = true,
        nullstr = ['', 'NA'],
        columns = {
            'year': 'INTEGER', 'month': 'INTEGER', 'day': 'INTEGER',
            'dep_time': 'INTEGER', 'sched_dep_time': 'INTEGER', 'dep_delay': 'INTEGER',
            'arr_time': 'INTEGER', 'sched_arr_time': 'INTEGER', 'arr_delay': 'INTEGER',
            'carrier': 'VARCHAR', 'flight': 'INTEGER', 'tailnum': 'VARCHAR',
            'origin': 'VARCHAR', 'dest': 'VARCHAR', 'air_time': 'INTEGER', 'distance': 'INTEGER',
            'hour': 'INTEGER', 'minute': 'INTEGER', 'time_hour': 'VARCHAR'
        }
    )
),

planned AS (
    SELECT
        make_date(f.year, f.month, f.day) AS flight_date,
        f.carrier,
        f.flight,
        f.origin,
        f.dest,
        f.tailnum,
        f.distance,
        f.dep_time IS NULL AS cancelled,
        f.dep_delay,
        f.arr_delay,
        make_timestamp(f.year, f.month, f.day, f.sched_dep_time // 100, f.sched_dep_time % 100, 0)
            AT TIME ZONE 'America/New_York' AS scheduled_departure,
        make_timestamp(f.year, f.month, f.day, f.sched_arr_time // 100, f.sched_arr_time % 100, 0)
            AS arrival_on_the_clock,
        coalesce(a.tzone, 'America/Puerto_Rico') AS arrival_zone
    FROM flights AS f
    LEFT JOIN read_csv($airports, nullstr = ['', 'NA', '\N']) AS a
        ON a.faa = f.dest
    WHERE make_date(f.year, f.month, f.day) BETWEEN $first_day AND $last_day
),

timed AS (
    SELECT
        *,
        CASE
            WHEN arrival_on_the_clock AT TIME ZONE arrival_zone > scheduled_departure
                THEN arrival_on_the_clock AT TIME ZONE arrival_zone
            ELSE (arrival_on_the_clock + INTERVAL 1 DAY) AT TIME ZONE arrival_zone
        END AS scheduled_arrival
    FROM planned
)

SELECT
    concat_ws('-', flight_date, carrier, flight, origin) AS flight_id,
    flight_date,
    carrier,
    flight,
    origin,
    dest,
    tailnum,
    distance,
    scheduled_departure,
    dep_delay,
    arr_delay,
    CASE WHEN NOT cancelled THEN scheduled_departure + to_minutes(dep_delay) END AS departed_at,
    CASE WHEN arr_delay IS NOT NULL THEN scheduled_arrival + to_minutes(arr_delay) END AS arrived_at,
    CASE WHEN cancelled THEN scheduled_departure END AS cancelled_at
FROM timed
ORDER BY scheduled_departure, flight_id
