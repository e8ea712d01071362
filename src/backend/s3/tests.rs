//! The backend over the double.
