-- What did each channel bring in each month of Berlin?
select
    cast(date_trunc('month', happened_at at time zone 'Europe/Berlin') as date) as month,
    channel,
    count(*) filter (where kind = 'placed') as placed,
    count(distinct customer_id) as customers,
    cast(
        coalesce(sum(case when kind = 'paid' then amount when kind = 'refunded' then -amount end), 0)
        as numeric(38, 2)
    ) as net,
    cast(coalesce(sum(voucher) filter (where kind = 'paid'), 0) as numeric(38, 4)) as vouchers
from {{ ref('order_events') }}
group by 1, 2
