//! One pattern on one text, as a glob and as a regular expression.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| argocd_access::argocd::policy::entry::patterns(bytes));
