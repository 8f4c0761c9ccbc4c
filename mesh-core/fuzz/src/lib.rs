//! Fuzz targets for every parser of mesh-core. `run.sh` runs them.

pub mod targets;
