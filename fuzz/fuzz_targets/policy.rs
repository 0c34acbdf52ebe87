//! A whole policy: read, asked about, and listed.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| argocd_access::argocd::policy::entry::policy(bytes));
