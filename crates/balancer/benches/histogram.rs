//! What it costs to count a time, and to read a quantile.
//!
//! `cargo bench -p evenkeel-balancer`. Nothing of this is offered to other crates, so its source is taken in by path.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};

#[expect(dead_code, reason = "the program uses more of it")]
#[path = "../src/records/metrics"]
mod metrics {
    mod counter;
    mod histogram;

    pub(crate) use counter::Counter;
    pub(crate) use histogram::{Distribution, Histogram};
}

use metrics::{Distribution, Histogram};

fn histogram(criterion: &mut Criterion) {
    let times = Histogram::default();
    let mut random = fastrand::Rng::with_seed(7);
    let mut group = criterion.benchmark_group("histogram");
    group.bench_function("add", |bencher| {
        bencher.iter(|| times.add(Duration::from_micros(random.u64(50..5_000))));
    });
    let mut seen = Distribution::default();
    seen.include(&times);
    group.bench_function("quantile", |bencher| bencher.iter(|| black_box(&seen).quantile(0.99)));
    group.finish();
}

criterion_group!(benches, histogram);
criterion_main!(benches);
