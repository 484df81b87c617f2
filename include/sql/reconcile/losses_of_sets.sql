-- What would each measure that does not add up over events have lost had only arrivals below each bound counted?
WITH folded AS (
    SELECT "_bound" AS bound, {% for m in sets %}{{ m.scaled }} AS {{ m.name }}{{ ", " if not loop.last }}{% endfor %}
    FROM ({{ fold_bounds }}) AS f
),
summed AS (
    SELECT bound, {% for m in sets %}sum({{ m.name }}) AS {{ m.name }}{{ ", " if not loop.last }}{% endfor %} FROM folded GROUP BY bound
)
{%- for m in sets %}
SELECT b.bound, {{ m.index }} AS measure, coalesce(w.{{ m.name }}, 0) - coalesce(s.{{ m.name }}, 0) AS lost, coalesce(w.{{ m.name }}, 0) AS total
FROM (VALUES {% for rung, bound in classes %}({{ bound }}, {{ rung }}){{ ", " if not loop.last }}{% endfor %}) AS b (bound, rung)
LEFT JOIN summed AS s ON b.bound = s.bound
LEFT JOIN summed AS w ON w.bound = {{ never }}
{{ "UNION ALL" if not loop.last }}
{%- endfor %}
ORDER BY bound, measure
