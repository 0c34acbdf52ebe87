//! Random lives of real instances on the real API server, judged by Argo CD's own engine: people declare, change, suspend and delete,
//! others edit everything that is shared, Helm upgrades, and the operator is killed in the midst of it. Nobody gains what is not declared;
//! what is declared comes; and when all is deleted, everything is as if the operator had never been there, at rest, and nobody's field is
//! ours.
//!
//! `ARGOCD_ACCESS_SEED` repeats the sequences of an earlier run, `ARGOCD_ACCESS_SEQUENCES` says how many there are for each instance.

mod life;
mod others;
mod promises;

use std::time::Instant;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use self::life::Life;
use crate::sequences::operation::{Operation, operation};
use crate::support::process::random;

/// Sequences for each instance.
const SEQUENCES: usize = 25;

/// The same lives in each run, so that a run can be compared with the one before; `ARGOCD_ACCESS_SEED=random` makes others.
const SEED: u64 = 0xc1cf_1d6d;

fn seed() -> u64 {
    match std::env::var("ARGOCD_ACCESS_SEED").as_deref() {
        Err(_) => SEED,
        Ok("random") => u64::from_str_radix(&random(), 16).unwrap(),
        Ok(text) => u64::from_str_radix(text, 16).expect("ARGOCD_ACCESS_SEED is hexadecimal, or random"),
    }
}

fn sequences(seed: u64, instance: u64) -> Vec<Vec<Operation>> {
    let count = std::env::var("ARGOCD_ACCESS_SEQUENCES").ok().map_or(SEQUENCES, |text| text.parse().expect("a number of sequences"));
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&instance.to_le_bytes());
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let strategy = proptest::collection::vec(operation(true), 4..12);
    (0..count).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happens_on_a_real_api_server_nobody_gains_what_is_not_declared_and_all_comes_back() {
    let seed = seed();
    println!("ARGOCD_ACCESS_SEED={seed:x} repeats these sequences");
    let instances = [
        ("", false),
        ("", true),
        ("{instance: {confine: true, limits: {allowClusterScope: false}}}", false),
        ("{instance: {conflictPolicy: Force}}", true),
    ];
    let lives = instances.into_iter().zip(0..).map(|((values, elsewhere), instance)| async move {
        let began = Instant::now();
        let mut life = Life::new(values, elsewhere).await;
        for (n, operations) in sequences(seed, instance).iter().enumerate() {
            life.begin().await;
            for (at, operation) in operations.iter().enumerate() {
                if let Err(what) = life.happens(operation).await {
                    panic!("seed {seed:x}, instance {instance} {values:?}, sequence {n}, operation {at} of {operations:#?}\n{what}");
                }
            }
            if let Err(what) = life.end().await {
                panic!("seed {seed:x}, instance {instance} {values:?}, the end of sequence {n}: {operations:#?}\n{what}");
            }
            println!("instance {instance}, sequence {n}: {} operations; {:?} so far", operations.len(), began.elapsed());
        }
    });
    futures::future::join_all(lives).await;
}
