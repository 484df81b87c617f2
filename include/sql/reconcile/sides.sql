-- What does each side say, cell by cell: b the batch's table, r the fold of
-- silver, s the stream's serving table? Values are whole numbers scaled by 10^(places of the measure), so that
-- every difference is exact. Rows that open before the first day served, or closed before the first day compared,
-- are left out on every side.
CREATE OR REPLACE TEMP TABLE sides AS
{%- for side, relation in sides.items() %}
SELECT
    '{{ side }}' AS side,
    {%- for g in grain %}
    CAST({{ g.column }} AS {{ g.type }}) AS {{ g.name }},
    {%- endfor %}
    {%- for m in measures %}
    {{ m.scaled }} AS {{ m.name }}{{ "," if not loop.last }}
    {%- endfor %}
FROM {{ relation }} AS side_{{ side }}
WHERE {{ compared }}
{{ "UNION ALL" if not loop.last }}
{%- endfor %}
