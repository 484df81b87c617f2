-- How many events does each cause touch on each day? An event that moved to another day counts on both.
SELECT d.day, ['{{ causes[1:-1] | join("', '") }}'][t.step] AS cause, count(DISTINCT t.row) AS events
FROM touched AS t
JOIN differing AS d ON t.cell = d.cell
GROUP BY d.day, t.step
ORDER BY d.day, t.step
