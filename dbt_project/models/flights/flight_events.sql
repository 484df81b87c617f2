-- Which events is the KPI made of? One row an event, as the stream has them, with the aircraft's seats.
with flights as (
    select
        flights.*,
        planes.seats
    from {{ ref('stg_flights') }} as flights
    left join {{ ref('stg_planes') }} as planes on planes.tailnum = flights.tailnum
),

events as (
    select 'D' as kind, departed_at as happened_at, dep_delay as dep_delay_then, null as arr_delay_then, flights.*
    from flights
    where departed_at is not null
    union all
    select 'A', arrived_at, dep_delay, arr_delay, flights.*
    from flights
    where arrived_at is not null
    union all
    select 'X', cancelled_at, null, null, flights.*
    from flights
    where cancelled_at is not null
)

select
    flight_id || ':' || kind as event_id,
    flight_id,
    kind,
    flight_date,
    carrier,
    flight,
    tailnum,
    origin,
    dest,
    distance,
    scheduled_departure as event_time,
    dep_delay_then as dep_delay,
    arr_delay_then as arr_delay,
    seats as planes__seats,
    happened_at as arrived_at
from events
