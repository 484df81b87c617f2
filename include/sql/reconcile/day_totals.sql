-- How does each measure stand on each day, over all cells?
SELECT
    d.day, d.measure, count(*) AS cells,
    count(*) FILTER (WHERE tolerated) AS tolerated,
    count(*) FILTER (WHERE beyond) AS beyond,
    count(*) FILTER (WHERE engine_off) AS engine,
    sum(b) AS batch, sum(r) AS recomputed, sum(s) AS stream,
    count(w.cell) AS waived,
    count(*) FILTER (WHERE nearly) AS close
FROM deltas AS d
LEFT JOIN waived AS w ON d.cell = w.cell AND d.measure = w.measure
GROUP BY d.day, d.measure
ORDER BY d.day, d.measure
