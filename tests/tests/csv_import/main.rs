//! `streamgate import csv`, the real program as a process: every row of a file once, whatever is killed meanwhile.
//!
//! `STREAMGATE_TEST_ROWS` decides how many rows the longer stories have, 20,000 without.

mod claims;
mod cut_off;
mod files;
mod refusals;
mod speed;
mod whole;
