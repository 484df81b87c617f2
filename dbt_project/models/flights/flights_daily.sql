-- How punctual was each airline at each airport on each local day of New York?
with flights as (
    select
        flights.*,
        planes.seats
    from {{ ref('stg_flights') }} as flights
    left join {{ ref('stg_planes') }} as planes on planes.tailnum = flights.tailnum
    where flights.departed_at is not null or flights.cancelled_at is not null
)

select
    flight_date,
    origin,
    carrier,
    count(*) as scheduled,
    count(cancelled_at) as cancelled,
    count(departed_at) as departed,
    count(*) filter (where dep_delay < 15) as departed_on_time,
    count(arrived_at) as arrived,
    count(*) filter (where arr_delay < 15) as arrived_on_time,
    coalesce(sum(greatest(dep_delay, 0)) filter (where departed_at is not null), 0) as delay_minutes,
    count(distinct tailnum) filter (where departed_at is not null) as aircraft,
    coalesce(sum(seats) filter (where departed_at is not null), 0) as seats,
    count(*) filter (where departed_at is not null and seats is null) as seats_unknown
from flights
group by flight_date, origin, carrier
