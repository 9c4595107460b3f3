-- Get recent threshold adjustments
SELECT timestamp, threshold_high, threshold_low, system_load
FROM load_balancer_metrics
ORDER BY timestamp DESC
LIMIT 50;

-- Analyze migration success rates
SELECT
    DATE(timestamp) as date,
    SUM(migrations_initiated) as total_migrations,
    SUM(migrations_successful) as successful_migrations,
    ROUND(SUM(migrations_successful) * 100.0 / SUM(migrations_initiated), 1) as success_rate
FROM load_balancer_metrics
GROUP BY DATE(timestamp)
ORDER BY date DESC;

-- Check prediction accuracy over time
SELECT
    timestamp,
    prediction_accuracy,
    system_load,
    imbalance_score
FROM load_balancer_metrics
WHERE prediction_accuracy IS NOT NULL
ORDER BY timestamp DESC
LIMIT 100;
