-- Which events does each cause touch in each differing cell: how many, and the first ten ids?
SELECT
    d.day, {% for g in grain %}CAST(d.{{ g.name }} AS VARCHAR) AS {{ g.name }}, {% endfor %}
    ['{{ causes[1:-1] | join("', '") }}'][t.step] AS cause,
    count(DISTINCT t.row) AS events,
    list_slice(list_sort(list(DISTINCT t.id)), 1, 10) AS ids
FROM touched AS t
JOIN differing AS d ON t.cell = d.cell
GROUP BY d.cell, d.day, {% for g in grain %}d.{{ g.name }}, {% endfor %}t.step
ORDER BY d.day, t.step, events DESC, d.cell
LIMIT {{ most }}
