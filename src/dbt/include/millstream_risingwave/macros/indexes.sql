{% macro millstream_risingwave__warn_of_indexes(why) %}
  {% if config.get('indexes') %}
    {% do exceptions.warn(
      model.original_file_path ~ ': the indexes of ' ~ model.name ~ ' are not made: ' ~ why
    ) %}
  {% endif %}
{% endmacro %}
