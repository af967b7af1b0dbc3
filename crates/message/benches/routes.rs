//! What it costs to find the route of a request among 1,000.
//!
//! `cargo bench -p evenkeel-message`.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use evenkeel_message::routes::Routes;

/// Fifty hosts, a tenth of them with a star, with twenty paths each.
fn table() -> Routes<usize> {
    let mut routes = Vec::new();
    for host in 0..50 {
        let star = if host % 10 == 0 { "*." } else { "" };
        for path in 0..20 {
            let text = format!("{star}shop{host}.example.com/team{}/service{path}", path % 4);
            routes.push((text.parse().expect("a route"), routes.len()));
        }
    }
    Routes::new(routes).expect("no two are the same")
}

fn routes(criterion: &mut Criterion) {
    let table = table();
    let mut group = criterion.benchmark_group("routes");
    let cases = [
        ("exact host", "shop27.example.com", "/team3/service19/orders/4711?page=2"),
        ("host below a star", "eu.shop20.example.com:8443", "/team3/service19/orders/4711?page=2"),
        ("no route", "other.example.com", "/team3/service19/orders/4711?page=2"),
        ("encoded", "shop27.example.com", "/team3/service19/two%20words"),
    ];
    for (name, host, path) in cases {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                table
                    .pick(black_box(host.as_bytes()), black_box(path.as_bytes()))
                    .map(|found| found.is_some())
            });
        });
    }
    group.finish();
}

criterion_group!(benches, routes);
criterion_main!(benches);
