//! HTTP/1.1 on the wire, without I/O: heads, framing, rewriting and the two connection machines.
