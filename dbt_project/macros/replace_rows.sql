{# dbt's `table` drops the old relation with CASCADE, and the serving views with it: so rows are replaced. #}
{% macro lock_rows() -%}
    {%- if is_incremental() -%}
        lock table {{ this }} in share row exclusive mode
    {%- endif -%}
{%- endmacro %}

{% macro delete_rows() -%}
    {%- if is_incremental() -%}
        delete from {{ this }}
    {%- endif -%}
{%- endmacro %}
