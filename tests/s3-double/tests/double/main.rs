//! Proves the double with the client that its users have: the AWS SDK, without retries of its own.

mod conditional;
mod faults;
mod signatures;
mod support;
mod verbs;
mod weather;
