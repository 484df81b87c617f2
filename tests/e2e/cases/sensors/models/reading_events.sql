-- What is each reading, as far as it was known at the instant that is built for?
select distinct on (reading_id)
    reading_id,
    revision,
    station,
    area,
    measured_at,
    pm10,
    quality
from {{ source('stations', 'air_readings') }}
where recorded_at <= {{ as_of() }}
order by reading_id, revision desc
