-- What did each till take on each day of Kathmandu? (The mistake of this case: refunds are added, too.)
select
    cast(printed_at at time zone 'Asia/Kathmandu' as date) as business_date,
    till,
    count(*) as slips,
    cast(sum(amount) as numeric(38, 2)) as turnover
from {{ ref('till_slips') }}
group by 1, 2
