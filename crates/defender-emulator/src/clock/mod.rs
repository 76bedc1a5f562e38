pub(crate) mod fast;
pub(crate) mod manual;
