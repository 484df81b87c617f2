{# The KPI from a model of events. Each argument is a way to get one thing wrong. #}
{% macro daily(
    events, day="cast(started at time zone 'America/New_York' as date)", fares="sum(fare)", join=""
) -%}
select
    {{ day }} as day,
    zone,
    count(*) as trips,
    coalesce({{ fares }}, 0) as fares,
    coalesce(sum(toll), 0) as tolls,
    coalesce(sum(cabs__weight), 0) as weights,
    count(distinct rider) as riders,
    min(started) as first,
    max(fare) as dearest,
    avg(miles) as mean_miles
from {{ events }}
{{ join }}
group by 1, 2
{%- endmacro %}
