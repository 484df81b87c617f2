-- Which late rows of the days counts nothing yet? The first row of an id stands for it, wherever it lies.
WITH first_of_id AS (
    SELECT {id} AS event_id, business_day, kafka_partition, kafka_offset
    FROM late
    QUALIFY row_number() OVER (PARTITION BY {id} ORDER BY kafka_partition, kafka_offset) = 1
)
SELECT f.event_id, f.business_day, f.kafka_partition, f.kafka_offset, [] AS leaves, FALSE AS replaces
FROM first_of_id AS f
SEMI JOIN days AS d ON f.business_day = d.day
ANTI JOIN silver AS s ON f.event_id = s.{id}
ANTI JOIN amended AS a ON f.event_id = a.event_id
ORDER BY f.business_day, f.kafka_partition, f.kafka_offset
