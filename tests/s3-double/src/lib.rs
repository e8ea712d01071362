//! An S3 server for tests: atomic conditional writes, and faults on demand.
