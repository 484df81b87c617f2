-- How clean was the air of each area in each hour?
select
    date_trunc('hour', measured_at, 'UTC') as measured_hour,
    area,
    count(*) as readings,
    count(pm10) as valid,
    count(*) filter (where quality = 'faulty') as faulty,
    count(distinct station) as stations,
    min(pm10) filter (where quality <> 'faulty') as lowest,
    max(pm10) filter (where quality <> 'faulty') as highest,
    cast(sum(cast(pm10 as numeric(38, 6))) filter (where quality <> 'faulty') as double precision)
    / nullif(count(pm10) filter (where quality <> 'faulty'), 0) as mean,
    cast(coalesce(sum(cast(pm10 as numeric(38, 6))), 0) as numeric(38, 6)) as dust
from {{ ref('reading_events') }}
group by 1, 2
