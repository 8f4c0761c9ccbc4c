//! A policy, and an answer at the first attempt. All copy the request, to have it for another attempt.

use crate::harness::{Body, Noop, cost, cost_of, request_with_headers};
use divan::Bencher;
use http::{Request, Response};
use mesh_core::model::route::{RetryCondition, RetryOn, RetryPolicy};
use mesh_policy::BoxError;
use mesh_policy::retry::RetryLayer;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::time::Duration;
use tower::retry::Policy;
use tower::retry::budget::{Budget, TpsBudget};
use tower_layer::Layer;
use tower_resilience::retry::RetryBudgetBuilder;

pub(crate) fn ours() -> RetryLayer {
    let on: RetryOn = [RetryCondition::ConnectFailure, RetryCondition::GatewayError].into_iter().collect();
    RetryLayer::new(RetryPolicy { on, retries: 2, ..RetryPolicy::default() })
}

/// As tower's documentation has it.
#[derive(Clone)]
pub(crate) struct Towers(Arc<TpsBudget>);

impl Towers {
    pub(crate) fn new() -> Self {
        Self(Arc::new(TpsBudget::new(Duration::from_secs(10), 10, 0.2)))
    }
}

impl<B, E> Policy<Request<Body>, Response<B>, E> for Towers {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut Request<Body>, answer: &mut Result<Response<B>, E>) -> Option<Ready<()>> {
        let good = answer.as_ref().is_ok_and(|response| !response.status().is_server_error());
        if good {
            self.0.deposit();
        }
        (!good && self.0.withdraw()).then(|| ready(()))
    }

    fn clone_request(&mut self, request: &Request<Body>) -> Option<Request<Body>> {
        Some(request.clone())
    }
}

pub(crate) fn resilience<E>() -> tower_resilience::retry::RetryLayer<Request<Body>, Response<Body>, E> {
    let budget = RetryBudgetBuilder::new().token_bucket().build().expect("settings that are right");
    tower_resilience::retry::RetryLayer::builder()
        .max_attempts(3)
        .retry_on_response(|response: &Response<Body>| response.status().is_server_error())
        .budget(budget)
        .build()
}

#[divan::bench]
fn mesh(bencher: Bencher<'_, '_>) {
    cost(bencher, ours().layer(Noop));
}

#[divan::bench]
fn mesh_with_headers(bencher: Bencher<'_, '_>) {
    cost_of(bencher, request_with_headers(), ours().layer(Noop));
}

#[divan::bench]
fn tower(bencher: Bencher<'_, '_>) {
    cost(bencher, tower::retry::RetryLayer::new(Towers::new()).layer(Noop));
}

#[divan::bench]
fn tower_with_headers(bencher: Bencher<'_, '_>) {
    cost_of(bencher, request_with_headers(), tower::retry::RetryLayer::new(Towers::new()).layer(Noop));
}

#[divan::bench]
fn tower_resilience(bencher: Bencher<'_, '_>) {
    cost(bencher, resilience::<BoxError>().layer(Noop));
}

#[divan::bench]
fn tower_resilience_with_headers(bencher: Bencher<'_, '_>) {
    cost_of(bencher, request_with_headers(), resilience::<BoxError>().layer(Noop));
}
