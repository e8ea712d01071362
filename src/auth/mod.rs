//! Who may do what: a principal, and one decision for each action.
