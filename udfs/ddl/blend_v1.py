# Declares the function to dbt. The code is in udfs/blend_v1.py; src/udf_server serves it.
