-- What was known of each flight at the instant that is built for?
select
    flight_id,
    cast(scheduled_departure at time zone 'America/New_York' as date) as flight_date,
    carrier,
    flight,
    tailnum,
    origin,
    dest,
    distance,
    scheduled_departure,
    {{ known('departed_at') }} as departed_at,
    {{ known('departed_at', 'dep_delay') }} as dep_delay,
    {{ known('arrived_at') }} as arrived_at,
    {{ known('arrived_at', 'arr_delay') }} as arr_delay,
    {{ known('cancelled_at') }} as cancelled_at
from {{ source('ops', 'flights') }}
