-- What would each measure have lost had only arrivals below each bound counted?
WITH folded AS (
    SELECT "_bound" AS bound, {% for m in losing %}{{ m.scaled }} AS {{ m.name }}{{ ", " if not loop.last }}{% endfor %}
    FROM ({{ fold_bounds }}) AS f
),
summed AS (
    SELECT bound, {% for m in losing %}sum({{ m.name }}) AS {{ m.name }}{{ ", " if not loop.last }}{% endfor %} FROM folded GROUP BY bound
)
{%- for m in losing %}
SELECT b.bound, {{ m.index }} AS measure, coalesce(w.{{ m.name }}, 0) - coalesce(s.{{ m.name }}, 0) AS lost, coalesce(w.{{ m.name }}, 0) AS total
FROM (SELECT unnest({{ bounds }}) AS bound) AS b
LEFT JOIN summed AS s ON b.bound = s.bound
LEFT JOIN summed AS w ON w.bound = {{ whole }}
{{ "UNION ALL" if not loop.last }}
{%- endfor %}
ORDER BY bound, measure
