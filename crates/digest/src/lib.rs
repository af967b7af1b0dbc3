//! RFC 9530 Content-Digest and Repr-Digest, whole and streaming.
