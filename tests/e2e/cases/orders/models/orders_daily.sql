-- What was ordered, shipped, paid and given back on each day of Berlin, by country?
select
    cast(happened_at at time zone 'Europe/Berlin' as date) as order_date,
    country,
    count(*) filter (where kind = 'placed') as placed,
    count(*) filter (where kind = 'cancelled') as cancelled,
    count(*) filter (where kind = 'shipped') as shipped,
    count(distinct customer_id) filter (where kind = 'placed') as customers,
    cast(coalesce(sum(amount) filter (where kind = 'paid'), 0) as numeric(38, 2)) as paid,
    cast(coalesce(sum(amount) filter (where kind = 'refunded'), 0) as numeric(38, 2)) as refunded,
    cast(
        coalesce(sum(case when kind = 'paid' then amount when kind = 'refunded' then -amount end), 0)
        as numeric(38, 2)
    ) as net,
    cast(max(amount) filter (where kind = 'paid') as numeric(12, 2)) as largest
from {{ ref('order_events') }}
group by 1, 2
