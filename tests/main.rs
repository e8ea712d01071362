//! Every integration test in one binary: it links once and shares `support`.
