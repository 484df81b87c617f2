-- How many seats does each aircraft have?
select
    tailnum,
    seats
from {{ source('ops', 'planes') }}
