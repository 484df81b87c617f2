{# The events as the batch side sees them. Each argument is a way to get one thing wrong. #}
{% macro events(started="t.started", fare="t.fare", weight="c.weight", where="true") -%}
select
    t.trip_id,
    t.rider,
    t.kind,
    {{ started }} as started,
    t.zone,
    {{ fare }} as fare,
    t.miles,
    t.toll,
    t.version,
    {{ weight }} as cabs__weight
from ops.trips as t
left join ops.cabs as c on c.rider = t.rider
where {{ where }}
{%- endmacro %}
