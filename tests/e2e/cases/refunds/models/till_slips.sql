-- Which slips is the turnover made of?
select slip_id, till, kind, amount, printed_at
from {{ source('tills', 'till_slips') }}
where printed_at <= {{ as_of() }}
