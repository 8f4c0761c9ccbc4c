//! Envoy's HTTP connection manager: what each request of a filter chain goes through.

use super::connection::ConnectionFacts;
use super::recorded::{Recorded, Told};
use super::rescue::{self, reject, rescue, respond};
use super::trail::Trail;
use super::{forwarded, head, idle, upgrade};
use crate::body::{Body, BoxError};
use crate::outbound::StackBody;
use crate::route::{Found, Routes, edit_response, redirect_location};
use crate::shared::Shared;
use crate::telemetry::ChainTelemetry;
use arc_swap::ArcSwapOption;
use futures_util::future::BoxFuture;
use http::header::{CONNECTION, HOST, LOCATION, SERVER, USER_AGENT};
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use mesh_core::decide::route::SPREAD;
use mesh_core::model::http::{Codec, HttpFilter, HttpManager};
use mesh_core::model::listener::FilterChain;
use mesh_core::model::matcher::RequestHead;
use mesh_core::model::rbac::Rbac;
use mesh_core::model::route::{Action, DirectResponse, Redirect, RouteMatch};
use mesh_core::response_flag::ResponseFlags;
use mesh_policy::authz::{AuthzLayer, Connection};
use mesh_policy::{Rejection, grpc};
use mesh_telemetry::record::{RequestRecord, Text};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};
use tokio::time::Instant;
use tower_service::Service;

const SERVICE_TIME: HeaderName = HeaderName::from_static("x-envoy-upstream-service-time");

/// Where routes are found; replaced as a whole when they change.
pub(crate) type RouteSlot = ArcSwapOption<Routes>;

/// A service in the same process, for embedders.
pub(crate) type LocalService =
    Arc<dyn Fn(Request<Body>) -> BoxFuture<'static, Result<Response<Body>, BoxError>> + Send + Sync>;

/// What a request reaches in the end.
#[derive(Clone)]
pub(crate) enum Terminal {
    /// A cluster, by a route.
    Routes(Arc<RouteSlot>),
    /// A service in the same process.
    Local(LocalService),
}

/// An HTTP connection manager at work.
pub(crate) struct Manager {
    chain: Arc<FilterChain>,
    authz: AuthzLayer,
    has_authz: bool,
    server: Option<HeaderValue>,
    terminal: Terminal,
    telemetry: ChainTelemetry,
    shared: Arc<Shared>,
    /// An evenly spread sequence: weights are met closer than by dice.
    draws: AtomicU64,
    config: HttpManager,
}

/// Whose answer a response is.
enum Answer {
    Upstream(Response<StackBody>),
    Local(Response<Body>),
}

impl Manager {
    /// The manager of a chain, which is `config`'s.
    pub(crate) fn new(
        chain: Arc<FilterChain>,
        config: &HttpManager,
        terminal: Terminal,
        telemetry: ChainTelemetry,
        shared: Arc<Shared>,
    ) -> Self {
        let of_requests = config.filters.iter().filter_map(|f| match f {
            HttpFilter::Rbac(rbac) => Some(rbac.clone()),
            HttpFilter::Fault | HttpFilter::Cors | HttpFilter::GrpcStats | HttpFilter::Optional(_) => None,
        });
        // What concerns the connection is asked for each request, too: a policy that changed must hold for
        // connections that were accepted before.
        let filters: Vec<Arc<Rbac>> = chain.rbac.iter().cloned().chain(of_requests).collect();
        Self {
            has_authz: !filters.is_empty(),
            authz: AuthzLayer::new(filters),
            server: HeaderValue::from_str(&config.server_name).ok().filter(|v| !v.is_empty()),
            config: config.clone(),
            terminal,
            telemetry,
            shared,
            draws: AtomicU64::new(fastrand::u64(..)),
            chain,
        }
    }

    pub(crate) fn chain(&self) -> &Arc<FilterChain> {
        &self.chain
    }

    pub(crate) fn codec(&self) -> Codec {
        self.config.codec
    }

    pub(crate) fn idle_timeout(&self) -> Option<Duration> {
        self.config.idle_timeout
    }

    /// Answers a request. What goes wrong becomes a response here.
    pub(crate) async fn call(
        &self,
        facts: &Arc<ConnectionFacts>,
        request: Request<Body>,
    ) -> Response<Recorded> {
        let started = Instant::now();
        let trail = Arc::new(Trail::new(started));
        let mut record = RequestRecord::new(self.telemetry.reporter, SystemTime::now());
        record.protocol = request.version();
        record.method = request.method().clone();
        record.grpc = grpc::is_grpc(request.headers());
        record.downstream.local = Some(facts.local);
        record.downstream.direct_remote = Some(facts.remote);
        record.downstream.remote = Some(facts.remote);
        record.downstream.sni.clone_from(&facts.server_name);
        let (source, destination, security) = self.telemetry.parties(facts);
        record.source = source;
        record.destination = destination;
        record.connection_security = security;
        let head = request.method() == Method::HEAD;
        if http_body::Body::is_end_stream(request.body()) {
            trail.complete();
        }
        let request = request.map(|body| body.metered(&trail));
        // Told even if the caller goes before there is an answer: then this is dropped with the future.
        let sinks = self.telemetry.sinks.clone();
        let mut told = Box::new(Told::new(record, sinks, started, trail.clone(), self.shared.clone()));
        let passed = match self.config.stream_idle_timeout {
            None => self.pass(facts, request, &trail, &mut told.record).await,
            Some(idle) => {
                idle::bounded(self.pass(facts, request, &trail, &mut told.record), idle, &trail).await
            }
        };
        let answer = match passed {
            Ok(answer) => answer,
            Err(reply) => {
                let reply = *reply;
                let mut response = respond(&reply, told.record.grpc);
                if rescue::ends_connection(&reply) {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                for flag in reply.flags.iter() {
                    told.record.response_flags.insert(flag);
                }
                told.record.response_code_details = Some(reply.details);
                Answer::Local(response)
            }
        };
        self.finish(answer, told, head)
    }

    /// Everything up to the answer's head.
    async fn pass(
        &self,
        facts: &Arc<ConnectionFacts>,
        mut request: Request<Body>,
        trail: &Arc<Trail>,
        record: &mut RequestRecord,
    ) -> Result<Answer, Box<Rejection>> {
        let canonical = head::canonical(&mut request, self.config.normalize);
        let caller = forwarded::apply(request.headers_mut(), &self.config, facts);
        self.describe(record, &request, facts, caller);
        canonical?;
        let introduce = self.telemetry.meet_caller(record, request.headers_mut());
        if self.has_authz {
            self.authorize(facts, &mut request, caller)?;
        }
        let upgrade = upgrade::Upgrade::asked(&mut request, &self.config.upgrades)?;
        let mut answer = match &self.terminal {
            Terminal::Local(service) => self.serve_locally(service, facts, request, record).await?,
            Terminal::Routes(slot) => {
                let routes = slot.load_full().ok_or_else(rescue::no_route)?;
                self.route(&routes, facts, request, trail, record).await?
            }
        };
        let headers = match &mut answer {
            Answer::Upstream(response) => response.headers_mut(),
            Answer::Local(response) => response.headers_mut(),
        };
        if introduce {
            self.telemetry.introduce(headers);
        }
        Ok(match (upgrade, answer) {
            (Some(upgrade), Answer::Upstream(response))
                if response.status() == StatusCode::SWITCHING_PROTOCOLS =>
            {
                Answer::Local(upgrade.join(response, self.config.stream_idle_timeout, &self.shared))
            }
            (_, answer) => answer,
        })
    }

    /// Notes what the request says.
    fn describe(
        &self,
        record: &mut RequestRecord,
        request: &Request<Body>,
        facts: &ConnectionFacts,
        caller: IpAddr,
    ) {
        let headers = request.headers();
        record.path = request.uri().path_and_query().cloned().map(Text::from);
        record.authority = headers.get(HOST).cloned().map(Text::from);
        record.request_id = headers.get(forwarded::REQUEST_ID).cloned();
        record.user_agent = headers.get(USER_AGENT).cloned();
        record.forwarded_for = headers.get(forwarded::FORWARDED_FOR).cloned();
        if caller != facts.remote.ip() {
            record.downstream.remote = Some((caller, 0).into());
        }
        self.telemetry.copy_request_headers(record, headers);
    }

    fn authorize(
        &self,
        facts: &ConnectionFacts,
        request: &mut Request<Body>,
        caller: IpAddr,
    ) -> Result<(), Box<Rejection>> {
        let connection = Connection {
            local: facts.local,
            remote: facts.remote,
            client: Some(caller),
            server_name: facts.server_name.clone(),
        };
        let extensions = request.extensions_mut();
        extensions.insert(connection);
        if let Some(identity) = facts.peer.as_ref().and_then(|p| p.identity.clone()) {
            extensions.insert(identity);
        }
        self.authz.check(request).map_err(|denied| {
            tracing::debug!(%denied, "a request was denied");
            Box::new(Rejection::from_reject(&denied))
        })
    }

    async fn serve_locally(
        &self,
        service: &LocalService,
        facts: &ConnectionFacts,
        mut request: Request<Body>,
        record: &mut RequestRecord,
    ) -> Result<Answer, Box<Rejection>> {
        if let Some(identity) = facts.peer.as_ref().and_then(|p| p.identity.clone()) {
            request.extensions_mut().insert(identity);
        }
        match service(request).await {
            Ok(response) => {
                record.response_code_details = Some("via_upstream".into());
                Ok(Answer::Local(response))
            }
            Err(error) => Err(Box::new(rescue(&*error))),
        }
    }

    async fn route(
        &self,
        routes: &Routes,
        facts: &ConnectionFacts,
        mut request: Request<Body>,
        trail: &Arc<Trail>,
        record: &mut RequestRecord,
    ) -> Result<Answer, Box<Rejection>> {
        let random = self.draws.fetch_add(SPREAD, Ordering::Relaxed);
        let scheme = if facts.tls { "https" } else { "http" };
        let found = {
            let head = head_of(&request, scheme);
            let found = routes.find(&head, random).ok_or_else(rescue::no_route)?;
            record.route_name =
                (!found.routed.route.name.is_empty()).then(|| found.routed.route.name.clone());
            match &found.routed.route.action {
                Action::Forward(_) => found,
                Action::Redirect(redirect) => {
                    let response = redirected(redirect, &found.routed.route.matches, &head);
                    return Ok(direct(response, "direct_response", &found, record));
                }
                Action::Respond(answer) => {
                    return Ok(direct(responded(answer), "direct_response", &found, record));
                }
            }
        };
        let Some((stack, target)) = found.forward else {
            // Every weight is zero: there is no cluster to name.
            return Err(Box::new(rescue(&crate::pool::Failure::NoClusterFound)));
        };
        record.upstream.cluster = Some(target.name.clone());
        record.service = target.cluster.as_ref().and_then(|c| c.service().cloned());
        stack.prepare(&mut request, &found.routed);
        if request.headers().contains_key("x-envoy-original-path") {
            record.original_path.clone_from(&record.path);
            record.path = request.uri().path_and_query().cloned().map(Text::from);
        }
        let mut request = stack.mirrors().copy(request);
        request.extensions_mut().insert(trail.clone());
        let mut service = target.service.clone();
        let answered = service.call(request).await;
        self.telemetry.upstream(record, trail.steps(), facts);
        let mut response = answered.map_err(|error| Box::new(rescue(&*error)))?;
        record.response_code_details = Some("via_upstream".into());
        if let Some(flags) = response.extensions_mut().remove::<ResponseFlags>() {
            for flag in flags.iter() {
                record.response_flags.insert(flag);
            }
        }
        head::clean_response(&mut response);
        let headers = response.headers_mut();
        self.telemetry.meet_callee(record, headers);
        if let Some(time) = record.upstream.service_time {
            let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
            headers.insert(SERVICE_TIME, HeaderValue::from(millis));
        }
        edit_response(headers, &found.routed);
        Ok(Answer::Upstream(response))
    }

    /// The response's last touch, and its record.
    fn finish(&self, mut answer: Answer, mut told: Box<Told>, head: bool) -> Response<Recorded> {
        let (status, headers) = match &mut answer {
            Answer::Upstream(response) => (response.status(), response.headers_mut()),
            Answer::Local(response) => (response.status(), response.headers_mut()),
        };
        if let Some(server) = &self.server {
            headers.insert(SERVER, server.clone());
        }
        let record = &mut told.record;
        record.response_code = status.as_u16();
        record.response_duration = Some(told.started.elapsed());
        if record.grpc {
            record.grpc_status = grpc::status(headers);
        }
        self.telemetry.copy_response_headers(record, headers);
        let bodiless = head
            || status.is_informational()
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let idle = self.config.stream_idle_timeout;
        let response = match answer {
            Answer::Upstream(response) => response.map(|body| Recorded::stack(body, told, idle)),
            Answer::Local(response) => response.map(|body| Recorded::local(body, told, idle)),
        };
        if bodiless { response.map(Recorded::without_body) } else { response }
    }
}

fn head_of<'a>(request: &'a Request<Body>, scheme: &'a str) -> RequestHead<'a> {
    RequestHead {
        method: request.method(),
        scheme,
        authority: request.headers().get(HOST).and_then(|h| h.to_str().ok()).unwrap_or_default(),
        path: request.uri().path_and_query().map_or("/", PathAndQuery::as_str),
        headers: request.headers(),
    }
}

fn direct(
    mut response: Response<Body>,
    details: &'static str,
    found: &Found<'_>,
    record: &mut RequestRecord,
) -> Answer {
    record.response_code_details = Some(details.into());
    edit_response(response.headers_mut(), &found.routed);
    Answer::Local(response)
}

fn redirected(redirect: &Redirect, matches: &RouteMatch, head: &RequestHead<'_>) -> Response<Body> {
    let location = redirect_location(redirect, matches, head);
    let Ok(location) = HeaderValue::try_from(location) else {
        return respond(&reject(StatusCode::BAD_REQUEST, "", "invalid_redirect", None), false);
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = redirect.status;
    response.headers_mut().insert(LOCATION, location);
    response
}

fn responded(answer: &DirectResponse) -> Response<Body> {
    let mut response = Response::new(Body::full(answer.body.clone()));
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    headers.insert(http::header::CONTENT_LENGTH, HeaderValue::from(answer.body.len()));
    if !answer.body.is_empty() {
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    }
    response
}
