//! Generators of clusters, rounds and logs for property tests.
