//! What every binary shares: settings from the environment, logs, shutdown, the healthcheck subcommand.
