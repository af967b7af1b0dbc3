//! The thin tokio shell that drives http1 connections over sockets.
