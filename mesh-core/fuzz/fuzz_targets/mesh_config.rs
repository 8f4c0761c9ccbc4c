#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mesh_core_fuzz::targets::mesh_config(data));
