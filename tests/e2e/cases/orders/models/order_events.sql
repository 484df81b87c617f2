-- Which events are the KPIs made of? One row an event, as the stream has them.
select
    journal.order_id || ':' || journal.kind || ':' || journal.running as event_id,
    journal.order_id,
    orders.customer_id,
    journal.kind,
    orders.country,
    orders.channel,
    journal.amount,
    journal.voucher,
    journal.happened_at
from {{ source('shop', 'order_journal') }} as journal
inner join {{ source('shop', 'orders') }} as orders on orders.order_id = journal.order_id
where journal.recorded_at <= {{ as_of() }}
