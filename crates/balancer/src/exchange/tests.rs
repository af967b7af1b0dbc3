//! The whole exchange with a caller that has no connection.
