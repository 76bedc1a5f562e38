//! No secret in arguments, output, files or dumps.
