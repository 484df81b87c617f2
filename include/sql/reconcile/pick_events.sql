-- Which events do the differing cells hold, on either side, and which of them need to be followed? One that stands in
-- these cells once on both sides, with the same fields, is still, and needs not. Nothing is read when no cell differs.
{%- if version %}
-- With versions each one is followed: its other versions may lie anywhere.
{%- endif %}
{%- for side, events in [("batch", batch), ("stream", stream)] %}
CREATE OR REPLACE TEMP TABLE {{ side }}_events_of_cells AS
SELECT e.* EXCLUDE ({{ grain | map(attribute="name") | join(", ") }})
FROM ({{ events }}) AS e
SEMI JOIN differing AS d ON {% for g in grain %}e.{{ g.name }} IS NOT DISTINCT FROM d.{{ g.name }}{{ " AND " if not loop.last }}{% endfor %};
{%- endfor %}

CREATE OR REPLACE TEMP TABLE still_ids AS
SELECT id
FROM (
    {%- for side in ["batch", "stream"] %}
    SELECT {{ id }} AS id, {{ loop.first }} AS in_batch, hash({{ columns | map(attribute="column") | join(", ") }}) AS content
    FROM {{ side }}_events_of_cells
    {{ "UNION ALL" if not loop.last }}
    {%- endfor %}
)
WHERE id IS NOT NULL{{ " AND FALSE" if version }}
GROUP BY id
HAVING count(*) = 2 AND count(*) FILTER (in_batch) = 1 AND min(content) = max(content);

CREATE OR REPLACE TEMP TABLE picked AS
{%- for side in ["batch", "stream"] %}
SELECT e.{{ id }} AS id FROM {{ side }}_events_of_cells AS e ANTI JOIN still_ids AS s ON e.{{ id }} = s.id
{{ "UNION" if not loop.last }}
{%- endfor %}
