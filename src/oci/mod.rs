//! The pure vocabulary of OCI distribution: digests, names, tags, manifests, errors, ranges and the route of a request. No I/O, no async.
