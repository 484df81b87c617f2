-- The events of differing cells that stand alike on both sides walk along: every cell is folded of all its events. They
-- have no row of their own, for no cause touches them.
INSERT INTO walked BY NAME
SELECT
    0 AS row, e.{{ id }} AS id, TRUE AS in_batch, TRUE AS in_stream, 0 AS enters, {{ never }} AS leaves,
    {% for c in columns %}e.{{ c.column }} AS {{ c.batch }}, e.{{ c.column }} AS {{ c.stream }}{{ ", " if not loop.last }}{% endfor %}
FROM batch_events_of_cells AS e
SEMI JOIN still_ids AS s ON e.{{ id }} = s.id
