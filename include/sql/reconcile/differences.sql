-- Which cells and measures differ most, and why? First those whose causes do not sum to the difference.
SELECT
    {% for g in grain %}CAST(d.{{ g.name }} AS VARCHAR) AS {{ g.name }}, {% endfor %}
    x.day, x.measure, x.b, x.r, x.s, x.beyond, m.remainder,
    (SELECT map_from_entries(list((h.cause, h.share) ORDER BY h.cause))
     FROM shares AS h WHERE h.cell = x.cell AND h.measure = x.measure) AS shares
FROM deltas AS x
JOIN differing AS d ON x.cell = d.cell
JOIN remainders AS m ON x.cell = m.cell AND x.measure = m.measure
WHERE NOT x.equal OR m.remainder <> 0
ORDER BY m.remainder <> 0 DESC, x.day > {{ closed_through }}, x.beyond DESC, abs(coalesce(x.b, 0) - coalesce(x.s, 0)) DESC, x.cell, x.measure
LIMIT {{ most }}
