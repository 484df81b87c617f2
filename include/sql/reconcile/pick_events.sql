-- Which ids do the differing cells hold, on either side?
CREATE OR REPLACE TEMP TABLE picked AS
{%- for relation in ["batch_events", "stream_events"] %}
SELECT e.{{ id }} AS id
FROM (SELECT {{ id }}, {% for g in grain %}{{ g.expression }} AS {{ g.name }}{{ ", " if not loop.last }}{% endfor %} FROM {{ relation }}) AS e
SEMI JOIN differing AS d ON {% for g in grain %}e.{{ g.name }} IS NOT DISTINCT FROM d.{{ g.name }}{{ " AND " if not loop.last }}{% endfor %}
{{ "UNION" if not loop.last }}
{%- endfor %}
