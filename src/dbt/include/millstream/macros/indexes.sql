{# The indexes of a source relation, on the table that clients read; the engine's copy has those that views need. #}
{% macro millstream__index_stored(relation) %}
  {% for sql in adapter.index_statements(relation, model) %}
    {% call statement('index') %}{{ sql }}{% endcall %}
  {% endfor %}
  {% do adapter.end_transaction() %}
{% endmacro %}


{% macro millstream__warn_of_indexes(why) %}
  {% if config.get('indexes') %}
    {% do exceptions.warn(
      model.original_file_path ~ ": the indexes of " ~ model.name ~ " are not made: " ~ why
    ) %}
  {% endif %}
{% endmacro %}
