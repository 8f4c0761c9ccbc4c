//! What a layer costs a request that it lets pass, beside the same of `tower` and `tower-resilience`.
//!
//! ```text
//! cargo bench -p mesh-policy --features full --bench layers
//! ```
//!
//! One request at a time through one layer over a service that does nothing, polled once by hand: no runtime
//! stands between. A row's cost is its time less that of `noop`, which is the handing over and the dropping of
//! a request and its response. The fastest sample is the figure: what else runs on the machine only adds. Each
//! row tells its allocations as well; to count them is in the figures of those that allocate.

#![allow(missing_docs, reason = "a benchmark's rows have no readers but its table's")]
#![allow(clippy::expect_used, reason = "a benchmark that cannot be set up has nothing to say")]

mod authz;
mod breaker;
mod fault;
mod harness;
mod jwt;
mod message;
mod noop;
mod outlier;
mod ratelimit;
mod rescue;
mod retry;
mod shed;
mod stack;
mod timeout;

#[global_allocator]
static ALLOCATOR: divan::AllocProfiler = divan::AllocProfiler::system();

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    // Its timers are needed, its tasks are not.
    let _timers = runtime.enter();
    // As many at a time that the clock's own steps of some nanoseconds do not count.
    divan::Divan::default().sample_size(1000).sample_count(200).config_with_args().main();
}
