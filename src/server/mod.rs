//! HTTP: the only user of actix. Holds no rules of the domain.
