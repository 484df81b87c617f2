-- The batch side of a routed view: everything, or what the canary or the stream leaves to it.
-- The gates don't depend on the row, so the planner asks them once and skips what is not served.
SELECT {columns}, 'batch'::text AS served_from
FROM batch.{table} AS b
WHERE (SELECT source FROM serving.route WHERE kpi = {kpi}) = 'batch'
UNION ALL
SELECT {columns}, 'batch'::text
FROM batch.{table} AS b
WHERE (SELECT source FROM serving.route WHERE kpi = {kpi}) = 'canary'
  AND (b.{time} < {begin} OR ({in_canary}) IS NOT TRUE)
UNION ALL
SELECT {columns}, 'batch'::text
FROM batch.{table} AS b
WHERE (SELECT source FROM serving.route WHERE kpi = {kpi}) = 'stream'
  AND b.{time} < {begin}
