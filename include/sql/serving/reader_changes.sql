-- What would readers of one KPI see change between batch and stream, from from_period on?
WITH sides AS (
    SELECT {grain}, true AS in_batch, false AS in_stream, {batch_measures} FROM batch.{batch}
    WHERE {time} >= {begin}
    UNION ALL
    SELECT {grain}, false, true, {stream_measures} FROM stream.{stream}
    WHERE {time} >= {begin}
), cells AS (
    SELECT {grain}, bool_or(in_batch) AS in_batch, bool_or(in_stream) AS in_stream, {both_measures}
    FROM sides
    GROUP BY {grain}
)
SELECT count(*) AS rows,
       count(*) FILTER (WHERE in_batch AND in_stream AND ({differs})) AS changed,
       count(*) FILTER (WHERE NOT in_stream) AS only_in_batch,
       count(*) FILTER (WHERE NOT in_batch) AS only_in_stream,
       {figures}
FROM cells
