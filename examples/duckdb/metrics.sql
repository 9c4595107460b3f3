-- The specification's table, as the specification prints it. `load.py` makes it where there is none.
CREATE TABLE load_balancer_metrics (
    id INTEGER PRIMARY KEY,
    timestamp TIMESTAMP,
    system_load FLOAT,              -- Average system-wide utilization (0.0-1.0)
    threshold_high FLOAT,           -- Current high threshold value
    threshold_low FLOAT,            -- Current low threshold value
    imbalance_score FLOAT,          -- Current system imbalance score (0.0-1.0)
    migrations_initiated INTEGER,   -- Number of migrations initiated in this interval
    migrations_successful INTEGER,  -- Number of migrations successfully completed
    prediction_accuracy FLOAT,      -- Accuracy of previous load predictions (0.0-1.0)
    metrics JSON                    -- Additional detailed metrics in JSON format
);

-- How far each file of rows has been read: changed in the transaction that loads its rows.
CREATE TABLE IF NOT EXISTS load_balancer_files (
    file VARCHAR PRIMARY KEY,
    bytes BIGINT NOT NULL,          -- Read so far
    lines BIGINT NOT NULL,          -- Ended in what was read so far
    tail VARCHAR NOT NULL           -- Digest of the last bytes read: another file of that name has another
);
