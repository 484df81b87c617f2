-- What would each additive measure have lost had only arrivals below each bound counted?
WITH by_rung AS (
    SELECT rung, gone{% for m in adding %}, sum({{ m.name }}) AS {{ m.name }}{% endfor %} FROM arrivals GROUP BY rung, gone
)
{%- for m in adding %}
SELECT
    b.bound, {{ m.index }} AS measure,
    coalesce(sum({{ m.name }}) FILTER (gone = {{ never }}), 0)
    - coalesce(sum({{ m.name }}) FILTER (a.rung <= b.rung AND gone > b.rung), 0) AS lost,
    coalesce(sum({{ m.name }}) FILTER (gone = {{ never }}), 0) AS total
FROM (VALUES {% for rung, bound in classes %}({{ bound }}, {{ rung }}){{ ", " if not loop.last }}{% endfor %}) AS b (bound, rung)
LEFT JOIN by_rung AS a ON TRUE
GROUP BY b.bound
{{ "UNION ALL" if not loop.last }}
{%- endfor %}
ORDER BY bound, measure
