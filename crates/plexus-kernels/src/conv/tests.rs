//! Every row of the table against the reference.
