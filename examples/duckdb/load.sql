-- Loads the lines of the variable `lines`: new rows into the table, and what is wrong with the others into `refused`.
-- Rows that are in the table already are left alone, so that it can be run twice.

CREATE OR REPLACE TEMP MACRO is_number(kind) AS kind IN ('DOUBLE', 'UBIGINT', 'BIGINT');
CREATE OR REPLACE TEMP MACRO is_count(kind, value) AS kind IN ('UBIGINT', 'BIGINT') AND value >= 0;
CREATE OR REPLACE TEMP MACRO is_share(kind, value) AS is_number(kind) AND value BETWEEN 0 AND 1;
CREATE OR REPLACE TEMP MACRO is_finite(kind, value) AS is_number(kind) AND isfinite(value);

-- A line, the kinds of JSON value that it has for the columns, in their order, and the values as the columns hold them.
CREATE OR REPLACE TEMP TABLE lines AS
SELECT
    number,
    line,
    json_type(json, [
        '$.id', '$.timestamp', '$.system_load', '$.threshold_high', '$.threshold_low', '$.imbalance_score',
        '$.migrations_initiated', '$.migrations_successful', '$.prediction_accuracy', '$.metrics'
    ]) AS kinds,
    json_transform(json, '{
        "id": "INTEGER", "timestamp": "TIMESTAMP", "system_load": "FLOAT", "threshold_high": "FLOAT",
        "threshold_low": "FLOAT", "imbalance_score": "FLOAT", "migrations_initiated": "INTEGER",
        "migrations_successful": "INTEGER", "prediction_accuracy": "FLOAT", "metrics": "JSON"
    }') AS row
FROM (
    SELECT number, line, TRY_CAST(line AS JSON) AS json
    FROM unnest(string_split(getvariable('lines'), chr(10))) WITH ORDINALITY AS it(line, number)
    WHERE trim(line, e' \r\t') <> ''
);

-- The first column that a line does not fit.
CREATE OR REPLACE TEMP TABLE checked AS
SELECT
    number,
    line,
    row,
    CASE
        WHEN kinds IS NULL THEN 'line'
        WHEN is_count(kinds[1], row.id) IS NOT TRUE THEN 'id'
        WHEN (kinds[2] = 'VARCHAR' AND row.timestamp IS NOT NULL) IS NOT TRUE THEN 'timestamp'
        WHEN is_share(kinds[3], row.system_load) IS NOT TRUE THEN 'system_load'
        WHEN is_finite(kinds[4], row.threshold_high) IS NOT TRUE THEN 'threshold_high'
        WHEN is_finite(kinds[5], row.threshold_low) IS NOT TRUE THEN 'threshold_low'
        WHEN is_share(kinds[6], row.imbalance_score) IS NOT TRUE THEN 'imbalance_score'
        WHEN is_count(kinds[7], row.migrations_initiated) IS NOT TRUE THEN 'migrations_initiated'
        WHEN is_count(kinds[8], row.migrations_successful) IS NOT TRUE THEN 'migrations_successful'
        WHEN (kinds[9] = 'NULL' OR is_share(kinds[9], row.prediction_accuracy)) IS NOT TRUE
            THEN 'prediction_accuracy'
        WHEN (kinds[10] = 'OBJECT') IS NOT TRUE THEN 'metrics'
    END AS fault
FROM lines;

INSERT INTO load_balancer_metrics
SELECT unnest(row) FROM checked WHERE fault IS NULL ORDER BY number
ON CONFLICT DO NOTHING;

-- An id belongs to one row: another one with the same id is not the same row loaded twice.
CREATE OR REPLACE TEMP TABLE refused AS
SELECT
    number,
    fault AS field,
    CASE fault WHEN 'line' THEN line ELSE json_extract(line, '$.' || fault)::VARCHAR END AS value,
    CASE
        WHEN fault = 'line' THEN 'is no JSON'
        WHEN fault = 'metrics' THEN 'is no JSON object'
        WHEN fault = 'timestamp' THEN 'is no TIMESTAMP'
        WHEN fault LIKE 'threshold_%' THEN 'is no FLOAT'
        WHEN fault = 'id' OR fault LIKE 'migrations_%' THEN 'is no INTEGER from 0'
        ELSE 'is no FLOAT from 0 to 1'
    END AS reason
FROM checked
WHERE fault IS NOT NULL
UNION ALL
SELECT number, 'id', row.id::VARCHAR, 'is in the table already, with other values'
FROM checked JOIN load_balancer_metrics AS loaded ON loaded.id = row.id
WHERE fault IS NULL AND row IS DISTINCT FROM loaded
ORDER BY number;
