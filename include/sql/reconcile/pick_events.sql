-- Which ids do the differing cells hold, on either side? Nothing is read when no cell differs.
CREATE OR REPLACE TEMP TABLE picked AS
{%- for events in sides %}
SELECT e.id
FROM ({{ events }}) AS e
SEMI JOIN differing AS d ON {% for g in grain %}e.{{ g.name }} IS NOT DISTINCT FROM d.{{ g.name }}{{ " AND " if not loop.last }}{% endfor %}
{{ "UNION" if not loop.last }}
{%- else %}
SELECT CAST(NULL AS VARCHAR) AS id WHERE FALSE
{%- endfor %}
