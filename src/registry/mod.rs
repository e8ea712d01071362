//! The operations of a registry in its own terms: uploads, blobs, manifests, tags, referrers, catalog. Knows no HTTP status codes.
