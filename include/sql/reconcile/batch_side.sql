-- What do the batch's events fold to in the cells that differ (side e)? Only these cells have all of their events in the
-- relation; only they need it, to tell another definition from other events.
INSERT INTO sides
SELECT
    'e' AS side,
    {%- for g in grain %}
    CAST(f.{{ g.column }} AS {{ g.type }}) AS {{ g.name }},
    {%- endfor %}
    {%- for m in measures %}
    {{ m.scaled }} AS {{ m.name }}{{ "," if not loop.last }}
    {%- endfor %}
FROM {{ relation }} AS f
SEMI JOIN differing AS d ON {% for g in grain %}f.{{ g.column }} IS NOT DISTINCT FROM d.{{ g.name }}{{ " AND " if not loop.last }}{% endfor %}
WHERE {{ compared }}
