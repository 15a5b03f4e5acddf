//! The same network in another form.

pub mod absorbed_bias;
