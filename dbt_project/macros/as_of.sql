{% macro as_of() -%}
    {%- if execute and not var('as_of') -%}
        {{ exceptions.raise_compiler_error("give the instant to build for: --vars '{\"as_of\": \"2013-03-01T11:00:00+00:00\"}'") }}
    {%- endif -%}
    cast({{ dbt.string_literal(var('as_of')) }} as timestamptz)
{%- endmacro %}

{# Null unless it had happened by the instant that is built for. #}
{% macro known(instant, value=none) -%}
    case when {{ instant }} <= {{ as_of() }} then {{ value or instant }} end
{%- endmacro %}
