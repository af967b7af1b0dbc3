//! What it costs to verify a body against its digest: at once, as a held response is, and in pieces, as a relayed one is.
//!
//! `cargo bench -p evenkeel-digest`.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use evenkeel_digest::{Algorithm, Digest, Expected, Verifier};

/// As much as one read of a large body brings.
const PIECE: usize = 64 * 1024;

fn verify(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("verify");
    for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
        for size in [1_024, 64 * 1_024, 1_024 * 1_024] {
            let body = vec![b'x'; size];
            let field = Digest::of(algorithm, &body).field_value();
            group.throughput(Throughput::Bytes(size as u64));
            group.bench_function(format!("{algorithm:?}/{size}"), |bencher| {
                bencher.iter(|| {
                    let expected = Expected::parse([black_box(field.as_bytes())]).expect("a good field");
                    let mut verifier = Verifier::new(&expected);
                    body.chunks(PIECE).for_each(|piece| verifier.update(piece));
                    verifier.finish().is_ok()
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, verify);
criterion_main!(benches);
