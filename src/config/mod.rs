//! Settings: YAML, environment and flags, merged into plain structs with the origin of each value.
