-- One revision's branches of a routed view: the canary's segments, or everything from from_period on.
SELECT {columns}, 'stream'::text
FROM stream.{table} AS b
WHERE (SELECT source = 'canary' AND revision = {revision} FROM serving.route WHERE kpi = {kpi})
  AND b.{time} >= {begin}
  AND {in_canary}
UNION ALL
SELECT {columns}, 'stream'::text
FROM stream.{table} AS b
WHERE (SELECT source = 'stream' AND revision = {revision} FROM serving.route WHERE kpi = {kpi})
  AND b.{time} >= {begin}
