#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mesh_core_fuzz::targets::values(data));
