-- Which rows of a routed view differ from what its route promises? expected is built without the view.
WITH expected AS (
    {expected}
), seen AS (
    SELECT {columns}, served_from FROM serving.{kpi}
), strays AS (
    (SELECT * FROM seen EXCEPT ALL SELECT * FROM expected)
    UNION ALL
    (SELECT * FROM expected EXCEPT ALL SELECT * FROM seen)
)
SELECT (SELECT count(*) FROM seen WHERE served_from = 'batch') AS from_batch,
       (SELECT count(*) FROM seen WHERE served_from = 'stream') AS from_stream,
       (SELECT count(*) FROM strays) AS strays
