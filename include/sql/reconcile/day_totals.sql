-- How does each measure stand on each day, over all cells?
SELECT
    day, measure, count(*) AS cells,
    count(*) FILTER (WHERE tolerated) AS tolerated,
    count(*) FILTER (WHERE beyond) AS beyond,
    count(*) FILTER (WHERE engine_off) AS engine,
    sum(b) AS batch, sum(r) AS recomputed, sum(s) AS stream
FROM deltas
GROUP BY day, measure
ORDER BY day, measure
