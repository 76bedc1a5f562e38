//! The program on a real pseudo-terminal, whose bytes a terminal emulation reads.
